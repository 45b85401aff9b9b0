package com.acme.shop;

import java.util.*;
import testkit.Assert;

/** A shop that fails in many ways, half of them as its tests do. */
public final class Shop {
    record Customer(String name, String city) {}

    static class ShopException extends RuntimeException {
        ShopException(String message, Throwable cause) {
            super(message, cause);
        }
    }

    static void require(boolean condition, String message) {
        if (!condition) throw new IllegalStateException(message);
    }

    static void logAndThrow(String message) {
        throw new RuntimeException(message);
    }

    static void assertTotal(int expected, int actual) {
        Assert.assertEquals(expected, actual);
    }

    static void assertName(String expected, String actual) {
        Assert.assertEquals(expected, actual);
    }

    // EDIT-CALLEES
    static int lengthOf(Customer customer) {
        return customer.city().length();
    }

    static int mean(int sum, int count) {
        return sum / count;
    }

    static String nameAt(List<String> names, int n) {
        return names.get(n);
    }

    static int importRow(String text) {
        return Integer.parseInt(text);
    }

    static void reserve(int n) {
        require(n < 0, "cannot reserve " + n + " items");
    }

    static void refund(int n) {
        require(n < -1, "refund of " + n + " was paid already");
    }

    static void ship(int n) {
        logAndThrow("no courier for parcel " + n);
    }

    static void bill(int n) {
        logAndThrow("customer " + n + " has no account");
    }

    static void closeAccount(int n) {
        if (n % 2 == 1) throw new IllegalStateException("account " + n + " is still open");
        throw new IllegalStateException("statement of " + n + " was not sent");
    }

    static int depth(int n) {
        return 1 + (n % 2 == 0 ? depth(n + 1) : height(n + 1));
    }

    static int height(int n) {
        return 1 + depth(n + 1);
    }

    static Object seats(Object value) {
        return (Integer) value;
    }

    static void loadProfile(int n) {
        try {
            nameAt(List.of(), n);
        } catch (IndexOutOfBoundsException e) {
            throw new ShopException("profile " + n + " is gone", e);
        }
    }

    static void expire(List<Integer> sessions) {
        for (Integer session : sessions) sessions.remove(session);
    }

    static void testTotalOfEmptyCart(int n) {
        assertTotal(0, n + 1);
    }

    static void testTotalWithDiscount(int n) {
        assertTotal(90, 91 + n);
    }

    static void testNameIsTrimmed(int n) {
        assertName("anna", "anna " + n);
    }

    static void testNameIsUpperCase(int n) {
        assertName("ANNA", "anna" + n);
    }

    static void testCartIsOpen(int n) {
        Assert.assertTrue("cart should be open", n < 0);
    }

    static void testCartIsSealed(int n) {
        Assert.assertTrue("cart should be sealed", n < 0);
    }

    static void testNegativeRefund(int n) {
        Assert.assertThrows(IllegalStateException.class, () -> refund(-5 - n));
    }

    static void testInLambda(int n) {
        List.of(n).forEach(value -> Assert.assertEquals(-1, value));
    }

    // EDIT-CALLER
    static void handle(String bug, int n) {
        switch (bug) {
            case "city-null" -> lengthOf(new Customer("anna", null));
            case "mean-zero" -> mean(n, n - n);
            case "name-bounds" -> nameAt(new ArrayList<>(List.of("tea")), n + 3);
            case "import-format" -> importRow(n + "x");
            case "reserve-helper" -> reserve(n);
            case "refund-helper" -> refund(n);
            case "ship-helper" -> ship(n);
            case "bill-helper" -> bill(n);
            case "close-open" -> closeAccount(2 * n + 1);
            case "close-unsent" -> closeAccount(2 * n);
            case "depth-recursion" -> depth(n % 2);
            case "seats-cast" -> seats("seat " + n);
            case "profile-cause" -> loadProfile(n);
            case "expire-concurrent" -> expire(new ArrayList<>(List.of(n, n + 1, n + 2)));
            case "test-total-empty" -> testTotalOfEmptyCart(n);
            case "test-total-discount" -> testTotalWithDiscount(n);
            case "test-name-trimmed" -> testNameIsTrimmed(n);
            case "test-name-upper" -> testNameIsUpperCase(n);
            case "test-cart-open" -> testCartIsOpen(n);
            case "test-cart-sealed" -> testCartIsSealed(n);
            case "test-refund-throws" -> testNegativeRefund(n);
            case "test-lambda" -> testInLambda(n);
            default -> throw new IllegalArgumentException(bug);
        }
    }

    public static void main(String[] arguments) {
        try {
            handle(arguments[0], Integer.parseInt(arguments[1]));
        } catch (Throwable thrown) {
            for (Throwable t = thrown; t != null; t = t.getCause()) {
                String message = String.valueOf(t.getMessage()).replace("\n", " ");
                System.out.println("T\t" + t.getClass().getName() + "\t" + message);
                for (StackTraceElement e : t.getStackTrace()) {
                    System.out.println("F\t" + e.getClassName() + "\t" + e.getMethodName() + "\t" + e.getFileName() + "\t" + e.getLineNumber());
                }
            }
        }
    }
}
