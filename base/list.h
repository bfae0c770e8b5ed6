/*
 * list: an intrusive doubly linked list with a head. A zeroed head must be
 * initialised before use; a removed node points at itself.
 */
#ifndef FED_LIST_H
#define FED_LIST_H

#include "base/base.h"

struct fed_list {
  struct fed_list *next, *prev;
};

#define FED_LIST_EACH(node, head)                                              \
  for (struct fed_list *node = (head)->next; node != (head); node = node->next)

/* As above; the loop may remove `node`. */
#define FED_LIST_EACH_SAFE(node, after, head)                                  \
  for (struct fed_list *node = (head)->next, *after = node->next;              \
       node != (head); node = after, after = node->next)

static inline void fed_list_init(struct fed_list *head)
{
  head->next = head->prev = head;
}

static inline bool fed_list_empty(const struct fed_list *head)
{
  return head->next == head;
}

static inline void fed_list_push_back(struct fed_list *head,
                                      struct fed_list *node)
{
  node->prev = head->prev;
  node->next = head;
  head->prev->next = node;
  head->prev = node;
}

static inline void fed_list_push_front(struct fed_list *head,
                                       struct fed_list *node)
{
  fed_list_push_back(head->next, node);
}

static inline void fed_list_remove(struct fed_list *node)
{
  node->prev->next = node->next;
  node->next->prev = node->prev;
  fed_list_init(node);
}

#endif
