package com.acme.clinic;

import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import java.util.stream.*;
import testkit.Assert;

/** A clinic that fails in many ways, some of them as its tests do. */
public final class Clinic {
    interface Ward {
        int admit(int n);
    }

    static final class ClinicException extends RuntimeException {
        ClinicException(int code, String message) {
            super(code + ": " + message);
        }
    }

    enum Unit { MG, ML }

    static void reject(int code, String message) {
        throw new ClinicException(code, message);
    }

    static <T> T found(T value, String what) {
        return Objects.requireNonNull(value, what + " was not found");
    }

    static void verifyBeds(Ward ward, int expected) {
        Assert.assertEquals(expected, ward.admit(1));
    }

    // EDIT-CALLEES
    static final class Surgery implements Ward {
        private final int[] beds;

        Surgery(int... beds) {
            this.beds = beds;
        }

        @Override
        public int admit(int n) {
            return beds[n];
        }
    }

    static class Visitor {
        Object visit(Map<String, Object> node) {
            return visit((Map<String, Object>) ((List<?>) node.get("children")).get(0));
        }
    }

    static Unit unit(String text) {
        return Unit.valueOf(text);
    }

    static String drug(int n) {
        return found(null, "drug " + n);
    }

    static String scan(int n) {
        return found(null, "scan " + n);
    }

    static void transfer(int n) {
        if (n % 2 == 1) throw new ClinicException(409, "patient " + n + " is already in another ward");
        throw new ClinicException(423, "ward of " + n + " is locked");
    }

    static void orderDrug(int n) {
        reject(404, "drug " + n + " is not in the list");
    }

    static void orderScan(int n) {
        reject(503, "scanner " + n + " has no slot today");
    }

    static int oldest(List<Integer> ages) {
        return ages.stream().max(Comparator.naturalOrder()).get();
    }

    static List<String> names(List<String> names) {
        return names.stream().map(name -> name.trim()).collect(Collectors.toList());
    }

    static Map<Integer, Integer> byAge(List<Integer> ages) {
        return ages.stream().collect(Collectors.toMap(age -> age, age -> age));
    }

    static void freeze(List<Integer> beds) {
        Collections.unmodifiableList(beds).add(1);
    }

    static Object page(Callable<Object> call) {
        try {
            return Executors.newSingleThreadExecutor(work -> {
                Thread thread = new Thread(work);
                thread.setDaemon(true);
                return thread;
            }).submit(call).get();
        } catch (InterruptedException | ExecutionException e) {
            throw new IllegalStateException("doctor was not paged", e);
        }
    }

    static int[] grid(int n) {
        return new int[-n];
    }

    static void store(Object[] beds, int n) {
        beds[0] = n;
    }

    static void testSurgeryTakesFirst(int n) {
        verifyBeds(new Surgery(n, 10 + n), 5);
    }

    static void testSurgeryTakesLast(int n) {
        verifyBeds(new Surgery(n, 20 + n), 7);
    }

    static void testDrugIsListed(int n) {
        Assert.assertTrue("list has it", n < 0);
    }

    static void testScanIsListed(int n) {
        Assert.assertTrue("list has it", n < 0);
    }

    static void testTransferFails(int n) {
        Assert.assertThrows(ClinicException.class, () -> names(List.of()));
    }

    // EDIT-CALLER
    static void handle(String bug, int n) {
        switch (bug) {
            case "admit-bounds" -> new Surgery(1, 2).admit(n + 2);
            case "visit-children" -> new Visitor().visit(Map.of("children", List.of()));
            case "visit-node" -> new Visitor().visit(new HashMap<>());
            case "unit-name" -> unit("unit" + n);
            case "drug-found" -> drug(n);
            case "scan-found" -> scan(n);
            case "transfer-other" -> transfer(2 * n + 1);
            case "transfer-locked" -> transfer(2 * n);
            case "drug-reject" -> orderDrug(n);
            case "scan-reject" -> orderScan(n);
            case "oldest-empty" -> oldest(List.of());
            case "names-null" -> names(Arrays.asList("a", null));
            case "age-twice" -> byAge(List.of(n, n));
            case "freeze-add" -> freeze(new ArrayList<>());
            case "page-cause" -> page(() -> oldest(new LinkedList<>()));
            case "grid-negative" -> grid(n);
            case "store-type" -> store(new String[1], n);
            case "test-surgery-first" -> testSurgeryTakesFirst(n);
            case "test-surgery-last" -> testSurgeryTakesLast(n);
            case "test-drug-listed" -> testDrugIsListed(n);
            case "test-scan-listed" -> testScanIsListed(n);
            case "test-transfer-fails" -> testTransferFails(n);
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
