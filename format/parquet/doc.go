// Package parquet is Parquet as a format of files, for sink/file, source/file and the connectors of object stores.
//
//	file.New("/data/orders", file.Options[string, row.Row]{Format: parquet.Format[string, row.Row]{}})
//
// A file has the columns _timestamp (integer, milliseconds), _key (text) and those of the rows, sorted by name. It is a module of its own, so that programs without
// Parquet need not build its library.
package parquet
