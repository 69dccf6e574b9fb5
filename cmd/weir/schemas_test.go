package main

import (
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/weirstreams/weir/internal/kafkatest"
)

// Records of all types of schemas are written and read by the schemas of a registry.
func TestSchemasOfARegistry(t *testing.T) {
	kafkatest.Parallel(t)
	cluster := kafkatest.Start(t)
	schemas := srfake.New()
	t.Cleanup(schemas.Close)
	prefix := cluster.Name("cli") + "-"
	schemas.SeedSchema(prefix+"avro-value", 1, 1, sr.Schema{Schema: `{"type":"record","name":"Order","fields":[
		{"name":"id","type":"long"},{"name":"note","type":["null","string"],"default":null}]}`})
	schemas.SeedSchema(prefix+"json-value", 1, 2, sr.Schema{Type: sr.TypeJSON, Schema: `{"type":"object","required":["id"],"properties":{"id":{"type":"integer"}}}`})
	schemas.SeedSchema(prefix+"proto-value", 1, 3, sr.Schema{
		Type: sr.TypeProtobuf,
		Schema: `syntax = "proto3"; package shop; import "google/protobuf/timestamp.proto";
		message Order { int64 id = 1; map<string, int32> parts = 2; google.protobuf.Timestamp at = 3; message Item { string name = 1; } }
		message Other { int32 number = 1; }`,
	})
	dir := t.TempDir()
	brokers := strings.Join(cluster.Brokers, ",")
	datadriven.RunTest(t, "testdata/registry", func(t *testing.T, d *datadriven.TestData) string {
		out := shell(t, dir, d.Input, "KAFKA_BOOTSTRAP_SERVERS="+brokers, "PREFIX="+prefix, "SCHEMA_REGISTRY_URL="+schemas.URL())
		return strings.ReplaceAll(scrub(out, prefix, dir, brokers), schemas.URL(), "REGISTRY")
	})
}
