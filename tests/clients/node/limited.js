// An application with @sentry/node that meets a limit for events and goes on sending feedback. The DSN is in SENTRY_DSN.
import * as Sentry from "@sentry/node";

Sentry.init();

for (let basket = 0; basket < 10; basket += 1) {
  Sentry.captureMessage(`basket ${basket} has no total`);
  await Sentry.flush(5000);
}
Sentry.captureFeedback({ message: "I cannot pay" });
await Sentry.flush(5000);
