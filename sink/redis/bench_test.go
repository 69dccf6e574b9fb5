package redis_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	client "github.com/redis/go-redis/v9"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/redis"
)

// BenchmarkSink compares the sink with the client alone: the same commands, in pipelines of 1,000. One operation is one record. The rows of streams and
// hashes are made before, and so are the arguments of the client.
func BenchmarkSink(b *testing.B) {
	const pipelined = 1000
	of := func(i int) reading {
		return reading{Sensor: fmt.Sprint("sensor-", i%1000), Value: float64(i) / 7, Count: int64(i), Tags: []string{"a text of some length"}}
	}
	bare := func(queue func(pipe client.Pipeliner, prefix string, r reading)) func(b *testing.B) {
		return func(b *testing.B) {
			p := newPlace(b)
			b.ReportAllocs()
			ctx := context.Background()
			pipe := p.client.Pipeline()
			flush := func() {
				if _, err := pipe.Exec(ctx); err != nil {
					b.Fatal(err)
				}
			}
			for i := 0; b.Loop(); i++ {
				if queue(pipe, p.prefix, of(i)); pipe.Len() >= pipelined {
					flush()
				}
			}
			flush()
		}
	}
	text := func(r reading) []byte {
		data, err := json.Marshal(r)
		if err != nil {
			b.Fatal(err)
		}
		return data
	}
	rows := make([]row.Row, 1000)
	arguments := make([][]any, len(rows))
	for i := range rows {
		r := of(i)
		rows[i] = row.Row{}.With("sensor", r.Sensor).With("value", r.Value).With("count", r.Count).With("tag", r.Tags[0])
		arguments[i] = []any{"sensor", r.Sensor, "value", r.Value, "count", r.Count, "tag", r.Tags[0]}
	}
	at := func(r reading) int { return int(r.Count) % len(rows) }
	b.Run("client, SET", bare(func(pipe client.Pipeliner, prefix string, r reading) {
		pipe.Set(context.Background(), prefix+r.Sensor, text(r), time.Hour)
	}))
	with := func(set func(o *redis.Options[string, reading])) func(b *testing.B) {
		return func(b *testing.B) {
			p := newPlace(b)
			b.ReportAllocs()
			o := redis.Options[string, reading]{URL: secret.New(p.url), OncePrefix: p.prefix}
			if set(&o); o.Kind == redis.Stream {
				o.Name = p.prefix + "stream"
			} else {
				o.Prefix = p.prefix
			}
			if o.Kind != redis.String {
				o.Fields = func(r *weir.Record[string, reading]) (row.Row, error) { return rows[at(r.Value)], nil }
			}
			to := redis.New(o)
			must(b, to.Connect(b.Context()))
			defer to.Close(context.Background())
			w, err := to.Writer(b.Context(), sink.Task{})
			must(b, err)
			origin := weir.Origin{Topic: "in"}
			id, from := int64(0), int64(0)
			flush := func() {
				id++
				c := sink.Checkpoint{ID: id, Epoch: "01", Positions: []sink.Position{{Topic: "in", From: from, To: origin.Offset}}}
				must(b, w.Flush(context.Background(), c))
				from = origin.Offset
			}
			for i := 0; b.Loop(); i++ {
				r := weir.Record[string, reading]{Value: of(i), Origin: &origin}
				r.Key = r.Value.Sensor
				must(b, w.Add(context.Background(), &r))
				if origin.Offset++; w.Full() {
					flush()
				}
			}
			flush()
		}
	}
	b.Run("sink, String", with(func(o *redis.Options[string, reading]) { o.TTL = time.Hour }))
	b.Run("client, XADD", bare(func(pipe client.Pipeliner, prefix string, r reading) {
		values := append([]any{"__key", r.Sensor, "timestamp", 1}, arguments[at(r)]...)
		pipe.XAdd(context.Background(), &client.XAddArgs{Stream: prefix + "stream", Values: values})
	}))
	b.Run("sink, Stream", with(func(o *redis.Options[string, reading]) { o.Kind = redis.Stream }))
	b.Run("sink, Stream, once", with(func(o *redis.Options[string, reading]) { o.Kind, o.Once = redis.Stream, true }))
	b.Run("client, DEL and HSET", func(b *testing.B) {
		p := newPlace(b)
		b.ReportAllocs()
		ctx := context.Background()
		pipe := p.client.TxPipeline()
		for i := 0; b.Loop(); i++ {
			r := of(i)
			pipe.Del(ctx, p.prefix+r.Sensor)
			pipe.HSet(ctx, p.prefix+r.Sensor, arguments[at(r)]...)
			if pipe.Len() >= 2*pipelined {
				if _, err := pipe.Exec(ctx); err != nil {
					b.Fatal(err)
				}
			}
		}
		if _, err := pipe.Exec(ctx); err != nil {
			b.Fatal(err)
		}
	})
	b.Run("sink, Hash", with(func(o *redis.Options[string, reading]) { o.Kind = redis.Hash }))
}
