package operator_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/operator/internal/operatortest"
)

// globalCase writes random records to the topic of a global table, as far as it is there yet, and looks rows up by keys that
// are derived of other records. Now and then, or after every record, the process is started anew: it reads the log from its
// beginning, compacted or not. The model looks for the last record of a key.
func globalCase(t *testing.T, seed uint64) bool {
	random := rand.New(rand.NewPCG(seed, 0))
	everyRecord, left := random.IntN(4) == 0, random.IntN(2) == 0
	keys := []string{"a", "bb", "", "c"}[:1+random.IntN(4)]
	topicKeys := codec.Nullable(codec.Codec[string](trimmed{codec.String()}))
	// written is a key as it may lie on the topic: not always as the codec would write it.
	written := func(key string) []byte { return fmt.Appendf([]byte{}, "%*s%s", random.IntN(3), "", key) }

	var log []keyed
	var env *operator.Env
	var input operator.Input
	var results operatortest.Lines
	var joins [2]*operator.GlobalJoin[string, string, *string, string, string]
	var nulls int64
	open := func() {
		if random.IntN(2) == 0 { // compaction
			latest := map[string]int64{}
			for _, r := range log {
				latest[r.key] = r.Offset
			}
			log = slices.DeleteFunc(log, func(r keyed) bool { return r.Key != nil && r.Offset < latest[r.key] })
		}
		env = &operator.Env{Context: t.Context(), Logger: slog.New(slog.DiscardHandler)}
		rows := operator.NewGlobalRows(topicKeys, codec.String())
		input = rows.Input(env, 0, "rows")
		nulls = 0
		for i := range log {
			process(t, input, &log[i].Record)
			if log[i].Key == nil {
				nulls++
			}
		}
		for i := range joins { // two tasks
			joins[i] = &operator.GlobalJoin[string, string, *string, string, string]{
				Env: env, Table: rows.View("rows"), Unmatched: left, Next: &results,
				Key: func(_ context.Context, r *weir.Record[string, string]) (*string, error) {
					switch r.Value {
					case "null":
						return nil, nil
					case "none":
						key := keys[0]
						return &key, fmt.Errorf("nothing to look up: %w", operator.ErrNoKey)
					}
					key := r.Value
					return &key, nil
				},
				Merge: func(_ context.Context, r *weir.Record[string, string], row *string) (string, error) {
					if row == nil {
						return r.Value + " nothing", nil
					}
					found := *row
					*row = "changed" // which nobody else may see
					return r.Value + " " + found, nil
				},
			}
		}
	}
	open()
	for i := range 10 + random.IntN(30) {
		if random.IntN(2) == 0 {
			r := keyed{key: keys[random.IntN(len(keys))]}
			r.Offset, r.Key = int64(i), written(r.key)
			switch random.IntN(8) {
			case 0, 1:
			case 2:
				r.key, r.Key, r.Value = "no key", nil, []byte("lost")
				nulls++
			default:
				r.Value = fmt.Append(nil, "row ", i)
			}
			log = append(log, r)
			process(t, input, &r.Record)
		} else {
			r := weir.Record[string, string]{Key: "k", KeyNull: random.IntN(4) == 0, Value: append(keys, "null", "none", "unknown")[random.IntN(len(keys)+3)], Millis: int64(i)}
			results.Results = nil
			if err := joins[random.IntN(2)].Receive(&r); err != nil {
				t.Fatal(err)
			}
			var want []string
			row := "nothing"
			for _, o := range slices.Backward(log) {
				if o.Key != nil && o.key == r.Value && r.Value != "null" && r.Value != "none" {
					if o.Value != nil {
						row = string(o.Value)
					}
					break
				}
			}
			if left || row != "nothing" {
				want = []string{fmt.Sprintf("k: %s %s at %d", r.Value, row, i)}
			}
			if diff := gocmp.Diff(want, results.Results); diff != "" {
				t.Errorf("seed %d, record %d (-want +got):\n%s", seed, i, diff)
				return false
			}
		}
		if env.NullKeys != nulls {
			t.Errorf("seed %d: %d records without a key are counted, and %d were there", seed, env.NullKeys, nulls)
			return false
		}
		if everyRecord || random.IntN(6) == 0 {
			open()
		}
	}
	return true
}

// trimmed has many encodings of a string.
type trimmed struct{ codec.Codec[string] }

func (c trimmed) Decode(ctx *codec.Context, data []byte) (string, error) {
	return c.Codec.Decode(ctx, bytes.TrimSpace(data))
}

// keyed is a record with its key.
type keyed struct {
	broker.Record
	key string
}

func process(t *testing.T, input operator.Input, r *broker.Record) {
	t.Helper()
	// The bytes are those of a fetch buffer.
	lent := broker.Record{Offset: r.Offset, Key: slices.Clone(r.Key), Value: slices.Clone(r.Value)}
	if err := input.Process(&lent); err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{lent.Key, lent.Value} {
		for i := range b {
			b[i] = 0xDB
		}
	}
}

// TestGlobalTablesAgreeWithTheModel runs 10,000 random cases. A quarter of them are started anew after every record.
func TestGlobalTablesAgreeWithTheModel(t *testing.T) {
	longtest.Seeds(t, longtest.Cases(800, 5_000), func(t *testing.T, seed uint64) { globalCase(t, seed) })
}
