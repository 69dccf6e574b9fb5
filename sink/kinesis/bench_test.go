package kinesis_test

import (
	"encoding/json"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weirstreams/weir/internal/kinesis/kinesistest"
	"github.com/weirstreams/weir/sink/kinesis"
)

// BenchmarkSink compares the sink with the client alone, which puts the same records in requests of the same size. One operation is one record.
func BenchmarkSink(b *testing.B) {
	value := func(i int) click { return click{Page: strconv.Itoa(i)} }
	key := func(i int) string { return strconv.Itoa(i % 1000) }
	b.Run("client", func(b *testing.B) {
		s := kinesistest.New(b, kinesistest.Address(b, kinesistest.Kinesalite), 4)
		client := kinesistest.Client(s)
		b.ReportAllocs()
		b.ResetTimer()
		var batch []types.PutRecordsRequestEntry
		put := func() {
			if len(batch) == 0 {
				return
			}
			_, err := client.PutRecords(b.Context(), &awskinesis.PutRecordsInput{StreamName: &s.Name, Records: batch})
			must(b, err)
			batch = batch[:0]
		}
		for i := range b.N {
			data, err := json.Marshal(value(i))
			must(b, err)
			if batch = append(batch, types.PutRecordsRequestEntry{Data: data, PartitionKey: aws.String(key(i))}); len(batch) == 500 {
				put()
			}
		}
		put()
	})
	b.Run("sink", func(b *testing.B) {
		s := kinesistest.New(b, kinesistest.Address(b, kinesistest.Kinesalite), 4)
		w := open(b, s, kinesis.Options[string, click]{})
		b.ReportAllocs()
		b.ResetTimer()
		for i := range b.N {
			must(b, w.add(key(i), value(i)))
			if w.writer.Full() {
				must(b, w.flush())
			}
		}
		must(b, w.flush())
	})
}
