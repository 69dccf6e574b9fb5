// Package avro compares Weir's two Avro codecs with Apache's Avro for Java, over random schemas and values. The test has the
// build tag interop and needs the jars of `go run ./internal/testserver clients`.
//
// Each case has a reader's schema, a writer's schema that differs from it as schema evolution allows (and sometimes beyond), and a
// value of each. All three implementations must write a value as the same bytes, read the bytes of the others, read data of the
// writer's schema as the reader's, and refuse the same values.
package avro
