/* A shop that crashes in many ways: `shop BUG N`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>

struct customer { char name[16]; struct customer *next; };

static int *volatile nothing;
static volatile int zero;

__attribute__((noinline)) static void die(const char *why)
{
    fprintf(stderr, "%s\n", why);
    abort();
}

__attribute__((noinline)) static void check(int condition, const char *why)
{
    if (!condition)
        die(why);
}

/* EDIT-CALLEES */
__attribute__((noinline)) static int price_of(int n) { return nothing[n]; }
__attribute__((noinline)) static int total(int n) { int sum = 1; sum += price_of(n); return sum; }
__attribute__((noinline)) static int mean(int n) { return n / zero; }
__attribute__((noinline)) static size_t name_length(struct customer *c) { return strlen(c->next->name); }
__attribute__((noinline)) static void reserve(int n) { check(n < 0, "cannot reserve"); }
__attribute__((noinline)) static void refund(int n) { check(n < -1, "paid already"); }
__attribute__((noinline)) static void ship(int n) { if (n >= 0) die("no courier"); }
__attribute__((noinline)) static void bill(int n) { if (n >= 0) die("no account"); }
__attribute__((noinline)) static void release_twice(int n) { char *volatile p = malloc(64 + n); free(p); free(p); }
__attribute__((noinline)) static int depth(int n) { char room[4096]; memset(room, n, sizeof room); return room[n & 15] + depth(n + 1); }
__attribute__((noinline)) static void copy_name(int n) { memcpy((char *)nothing + n, "customer", 9); }
__attribute__((noinline)) static void call_hook(int n) { void (*hook)(int) = (void (*)(int))nothing; hook(n); }
__attribute__((noinline)) static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b + nothing[1]; }
__attribute__((noinline)) static void sort_lines(int n) { int lines[4] = { n, 3, 2, 1 }; qsort(lines, 4, sizeof *lines, compare); }
__attribute__((noinline)) static void *work(void *n) { return (void *)(long)mean((int)(long)n + 7); }
__attribute__((noinline)) static void in_thread(int n) { pthread_t t; pthread_create(&t, 0, work, (void *)(long)n); pthread_join(t, 0); }
__attribute__((noinline)) static void write_text(int n) { char *text = "constant"; *(volatile char *)(text + (n & 3)) = 'x'; }

/* EDIT-CALLER */
__attribute__((noinline)) static void handle(const char *bug, int n)
{
    struct customer alone = { "anna", 0 };
    if (!strcmp(bug, "price-null")) total(n);
    if (!strcmp(bug, "mean-zero")) mean(n);
    if (!strcmp(bug, "name-null")) printf("%zu", name_length(&alone));
    if (!strcmp(bug, "reserve-helper")) reserve(n);
    if (!strcmp(bug, "refund-helper")) refund(n);
    if (!strcmp(bug, "ship-helper")) ship(n);
    if (!strcmp(bug, "bill-helper")) bill(n);
    if (!strcmp(bug, "double-free")) release_twice(n);
    if (!strcmp(bug, "depth-recursion")) depth(n);
    if (!strcmp(bug, "copy-null")) copy_name(n);
    if (!strcmp(bug, "hook-null")) call_hook(n);
    if (!strcmp(bug, "sort-compare")) sort_lines(n);
    if (!strcmp(bug, "mean-thread")) in_thread(n);
    if (!strcmp(bug, "write-constant")) write_text(n);
}

int main(int count, char **arguments)
{
    if (count < 3) return 2;
    handle(arguments[1], atoi(arguments[2]));
    return 0;
}
