// Package store keeps the state of stateful operators.
//
// A store is typed and lives in a task: one partition of the input, one goroutine. In front of its database sits a
// write-back cache of decoded values, so that reading and writing state costs a map lookup, and a value is encoded
// once per checkpoint however often it changed in between. At a checkpoint the changes go to the store's changelog
// topic first and to the database of the task second; the database is therefore always exactly at a checkpoint, also
// after a crash, and newer changes are read again from the changelog.
//
// Programs declare a store by a handle such as [NewCell], give the handle to an operator such as Stream.MapState, and
// are given the store, placed on the key of the current record, in their function.
package store
