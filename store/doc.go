// Package store declares the state of stateful operators.
//
// Programs declare a store by a handle such as [NewCell], give the handle to an operator such as Stream.MapState, and
// are given the store, placed on the key of the current record, in their function. A store belongs to a task: one partition of the
// input, one goroutine. Its values are kept decoded in memory, in a database on local disk, and in a changelog topic of the
// cluster, from which a lost database is restored; docs/state.md says more.
package store
