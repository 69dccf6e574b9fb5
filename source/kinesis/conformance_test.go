package kinesis_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/kinesis/kinesistest"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/kinesis"
	"github.com/weirstreams/weir/source/sourcetest"
)

func TestTheSourceKeepsThePromisesOfSources(t *testing.T) {
	for _, c := range []struct {
		name, variable string
		shards         int32
		lanes          int
	}{
		{"moto", kinesistest.Moto, 2, 1},
		{"kinesalite, with a shard over two lanes", kinesistest.Kinesalite, 3, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			address := kinesistest.Address(t, c.variable)
			of := func(s kinesis.Stream) source.Source[*string, *string] {
				return kinesis.New(s, kinesis.Options[*string, *string]{
					Lanes: c.lanes, PollInterval: fast,
					Record: func(m kinesis.Message) (r weir.Record[*string, *string], err error) {
						var i sourcetest.Item
						err = json.Unmarshal(m.Data, &i)
						r.Key, r.Value = i.Pointers()
						return r, err
					},
				})
			}
			sourcetest.Run(t, sourcetest.System[*string, *string]{
				New: func(tb testing.TB, place string) source.Source[*string, *string] {
					return of(kinesistest.Named(tb, address, place, c.shards))
				},
				Fill: func(tb testing.TB, place string, items []sourcetest.Item) {
					s := kinesistest.Named(tb, address, place, c.shards)
					var records [][2]string
					for _, i := range items {
						data, err := json.Marshal(i)
						must(tb, err)
						records = append(records, [2]string{"k" + i.Key, string(data)})
					}
					put(tb, s, records...)
				},
				Item:      func(r weir.Record[*string, *string]) sourcetest.Item { return sourcetest.OfPointers(r.Key, r.Value) },
				Unordered: true, Grows: true, Idle: 300 * time.Millisecond, Records: 3000,
				Secrets: []string{kinesistest.Secret},
				Unreachable: func(testing.TB) source.Source[*string, *string] {
					return of(kinesistest.At("http://127.0.0.1:1", "nowhere"))
				},
			})
		})
	}
}
