/* A clinic that crashes in many ways: `clinic BUG N`. */
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct node { int key; struct node *left, *right; };
struct ward { int beds; int (*admit)(struct ward *, int); char *label; };
struct queue { struct node *head; };

static volatile int none;

#define HOT __attribute__((noinline)) static

HOT void fatal(const char *why) { fprintf(stderr, "%s\n", why); abort(); }
HOT void *need(void *memory, const char *why) { if (!memory) fatal(why); return memory; }

/* EDIT-CALLEES */
HOT int smallest(struct node *tree) { while (tree->left) tree = tree->left; return tree->right->key; }
HOT int rotate(struct node *tree) { struct node *pivot = tree->right; return pivot->left->key; }
HOT int pop(struct queue *queue) { return queue->head->key; }
HOT int call_next(struct queue *queue) { int key = pop(queue); return key + 1; }
HOT int per_bed(struct ward *ward, int n) { return n / ward->beds; }
HOT int admit_full(struct ward *ward, int n) { return n % ward->beds; }
HOT int admit(struct ward *ward, int n) { return ward->admit(ward, n); }
HOT void relabel(struct ward *ward, int n) { strcpy(ward->label, n > 0 ? "long stay" : "short stay"); }
HOT void discharge(int n) { assert(n < 0); printf("%d", n); }
HOT void transfer(int n) { assert(n < -1); printf("%d", n + 1); }
HOT void order_drug(int n) { if (n >= 0) fatal("no such drug"); printf("%d", n); }
HOT void order_scan(int n) { if (n >= 0) fatal("scanner is busy"); printf("%d", n); }
HOT char *record(int n) { return need(n < 0 ? "x" : 0, "record is missing"); }
HOT char *picture(int n) { return need(n < 0 ? "y" : 0, "picture is missing"); }
HOT int apply(int n);
HOT int eval(int n) { char room[2048]; memset(room, n, sizeof room); return room[n & 7] + apply(n + 1); }
HOT int apply(int n) { char room[1024]; memset(room, n, sizeof room); return room[n & 3] + eval(n + 1); }
HOT void drop_twice(int n) { char *volatile p = malloc(24 + n); free(p); free(p); }
HOT void drop_inside(int n) { char *volatile p = malloc(100 + n); free(p + 8); }
HOT int by_age(const void *a, const void *b) { return **(int *const *)a - **(int *const *)b; }
HOT void sort_patients(int n) { int age = n; int *ages[] = { &age, 0, &age }; qsort(ages, 3, sizeof *ages, by_age); }
HOT void *shift(void *ward) { return (void *)(long)per_bed(ward, 9); }

/* EDIT-CALLER */
HOT void handle(const char *bug, int n)
{
    struct node leaf = { n, 0, 0 }, root = { n, &leaf, &leaf };
    struct queue empty = { 0 };
    struct ward ward = { none, admit_full, 0 }, broken = { 3, 0, 0 };
    if (!strcmp(bug, "tree-smallest")) printf("%d", smallest(&root));
    if (!strcmp(bug, "tree-rotate")) printf("%d", rotate(&root));
    if (!strcmp(bug, "queue-next")) printf("%d", call_next(&empty));
    if (!strcmp(bug, "bed-zero")) printf("%d", per_bed(&ward, n));
    if (!strcmp(bug, "bed-shift")) { pthread_t t; pthread_create(&t, 0, shift, &ward); pthread_join(t, 0); }
    if (!strcmp(bug, "admit-full")) printf("%d", admit(&ward, n));
    if (!strcmp(bug, "admit-null")) printf("%d", admit(&broken, n));
    if (!strcmp(bug, "label-copy")) relabel(&ward, n);
    if (!strcmp(bug, "discharge-assert")) discharge(n);
    if (!strcmp(bug, "transfer-assert")) transfer(n);
    if (!strcmp(bug, "drug-fatal")) order_drug(n);
    if (!strcmp(bug, "scan-fatal")) order_scan(n);
    if (!strcmp(bug, "record-need")) printf("%s", record(n));
    if (!strcmp(bug, "picture-need")) printf("%s", picture(n));
    if (!strcmp(bug, "eval-deep")) printf("%d", eval(n));
    if (!strcmp(bug, "free-twice")) drop_twice(n);
    if (!strcmp(bug, "free-inside")) drop_inside(n);
    if (!strcmp(bug, "sort-null")) sort_patients(n);
}

int main(int count, char **arguments)
{
    if (count < 3) return 2;
    handle(arguments[1], atoi(arguments[2]));
    return 0;
}
