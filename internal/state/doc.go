// Package state keeps the state of operators: the stores behind the handles of package store, those of windows and joins, the
// databases below them, and the state directory. It is the machinery; programs use package store.
//
// A store is typed and lives in a task: one partition of the input, one goroutine. In front of its database sits a
// write-back cache of decoded values, so that reading and writing state costs a map lookup, and a value is encoded
// once per checkpoint however often it changed in between. At a checkpoint the changes go to the store's changelog
// topic first and to the database of the task second; the database is therefore always exactly at a checkpoint, also
// after a crash, and newer changes are read again from the changelog.
package state
