// Package interop checks Weir against other clients of Kafka, on a real broker and a real schema registry: the Java client,
// with Avro of Apache and Protobuf of Google, kafkajs with its schema registry client for Node, and the Python library that
// Weir follows, with Confluent's serializers below it.
//
// Each client writes each format; a topology reads it with Weir's codecs and writes it again; each client reads that and
// compares. The test has the build tag interop and needs the servers and the libraries of internal/testserver:
//
//	.ci/run interop
package interop
