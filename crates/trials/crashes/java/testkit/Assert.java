package testkit;

/** Asserts as test libraries have them. */
public final class Assert {
    public static void fail(String message) {
        throw new AssertionError(message);
    }

    public static void assertTrue(String message, boolean condition) {
        if (!condition) fail(message);
    }

    public static void assertEquals(Object expected, Object actual) {
        if (!expected.equals(actual)) failNotEquals(expected, actual);
    }

    private static void failNotEquals(Object expected, Object actual) {
        fail("expected:<" + expected + "> but was:<" + actual + ">");
    }

    public static <T extends Throwable> void assertThrows(Class<T> type, Runnable work) {
        work.run();
        fail("expected " + type.getName() + " to be thrown, but nothing was thrown");
    }
}
