package kinesis_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/kinesis/kinesistest"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/kinesis"
	"github.com/weirstreams/weir/sink/sinktest"
)

func TestTheSinkKeepsThePromisesOfSinks(t *testing.T) {
	for name, variable := range map[string]string{"moto": kinesistest.Moto, "kinesalite": kinesistest.Kinesalite} {
		t.Run(name, func(t *testing.T) {
			proxy := kinesistest.NewProxy(t, kinesistest.Address(t, variable))
			of := func(s kinesis.Stream) sink.Sink[*string, *string] {
				return kinesis.New(s, kinesis.Options[*string, *string]{
					NullKey: "null", Retry: quickly, OneByOne: name == "moto",
					PartitionKey: func(r *weir.Record[*string, *string]) (string, error) {
						if r.Key == nil || *r.Key == "" {
							return "none", nil
						}
						return *r.Key, nil
					},
					Payload: func(r *weir.Record[*string, *string]) ([]byte, error) {
						return json.Marshal(sinktest.OfPointers(r.Key, r.Value))
					},
				})
			}
			sinktest.Run(t, sinktest.Target[*string, *string]{
				New: func(tb testing.TB, place string) sink.Sink[*string, *string] {
					return of(kinesistest.Named(tb, proxy.Address, place, 2))
				},
				Record: func(i sinktest.Item) (key, value *string) { return i.Pointers() },
				Read: func(tb testing.TB, place string) (items []sinktest.Item) {
					for _, r := range kinesistest.Read(tb, kinesistest.At(proxy.Address, place)) {
						var i sinktest.Item
						must(tb, json.Unmarshal(r.Data, &i))
						items = append(items, i)
					}
					return items
				},
				Records: 3000,
				Refused: func() (key, value *string) {
					k, v := "poison", strings.Repeat("x", 1<<20)
					return &k, &v
				},
				Push: func(testing.TB, string) func() {
					proxy.Refuse(func(string, []byte) string { return "ProvisionedThroughputExceededException" })
					return func() { proxy.Refuse(nil) }
				},
				Break: func(testing.TB, string) func() {
					proxy.Break(true)
					return func() { proxy.Break(false) }
				},
				Secrets: []string{kinesistest.Secret},
				Unreachable: func(testing.TB) sink.Sink[*string, *string] {
					return of(kinesistest.At("http://127.0.0.1:1", "nowhere"))
				},
			})
		})
	}
}
