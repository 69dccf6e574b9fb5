// Package format has the forms in which records lie in files: JSON lines, CSV, and Parquet in a module of its own
// (format/parquet). The sinks and sources of files, here and in object stores, take any [Format].
//
// A format writes and reads: a source with the format of a sink reads the records that the sink has written, with keys, values and times.
package format
