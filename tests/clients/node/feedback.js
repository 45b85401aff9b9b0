// An application with @sentry/node that reports an error, and what somebody says about it. The DSN is in SENTRY_DSN.
import * as Sentry from "@sentry/node";

Sentry.init();

const associatedEventId = Sentry.captureException(new Error("basket 17 has no total"));
Sentry.captureFeedback(
  { associatedEventId, name: "Ada", email: "ada@example.org", message: "I cannot pay.", url: "https://shop.example/basket" },
  { attachments: [{ filename: "screenshot.png", contentType: "image/png", data: new Uint8Array([0x89, 0x50, 0x4e, 0x47]) }] },
);
await Sentry.flush(20_000);
