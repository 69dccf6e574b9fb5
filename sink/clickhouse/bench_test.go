package clickhouse_test

import (
	"bytes"
	"encoding/json"
	nethttp "net/http"
	"testing"
	"time"

	"github.com/weirstreams/weir/sink/clickhouse"
	"github.com/weirstreams/weir/sink/internal/influx/influxtest"
)

// BenchmarkSink compares the sink with a bare client of net/http and encoding/json that writes the same rows, with the key, the place and the time of their records,
// 5,000 in a request, to a server of this process that reads and drops them. One operation is one row.
func BenchmarkSink(b *testing.B) {
	address := influxtest.Discard(b, func(body []byte) (int, string) {
		if len(body) > 0 {
			return nethttp.StatusOK, ""
		}
		columns := ""
		for _, c := range [][2]string{{"symbol", "String"}, {"price", "Float64"}, {"key", "String"}, {"topic", "String"}, {"partition", "Int32"}, {"offset", "Int64"}, {"time", "DateTime64(3)"}} {
			columns += `["` + c[0] + `","` + c[1] + `",""]` + "\n"
		}
		return nethttp.StatusOK, columns
	})
	value := func(i int) trade { return trade{"WEIR", float64(i) / 7} }
	b.Run("net/http", func(b *testing.B) {
		type rowOfTrade struct {
			trade
			Key       string    `json:"key"`
			Topic     string    `json:"topic"`
			Partition int32     `json:"partition"`
			Offset    int64     `json:"offset"`
			Time      time.Time `json:"time"`
		}
		influxtest.Bare(b, address+"/?query=INSERT", func(body *bytes.Buffer, i int) error {
			return json.NewEncoder(body).Encode(rowOfTrade{value(i), "k", "input", 0, int64(i), time.UnixMilli(1767225600000 + int64(i)).UTC()})
		})
	})
	b.Run("sink", func(b *testing.B) {
		influxtest.Bench(b, clickhouse.New(address, clickhouse.Options[string, trade]{
			Table: "bench", MaxRecords: influxtest.Batch,
			Metadata: clickhouse.Metadata{Key: "key", Topic: "topic", Partition: "partition", Offset: "offset", Time: "time"},
		}), value)
	})
}
