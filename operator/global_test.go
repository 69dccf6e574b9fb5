package operator_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/operator"
)

// globalCase writes random records to the topic of a global table, as far as it is there yet, and looks rows up by keys that
// are derived of other records. Now and then, or after every record, the process is started anew: it reads the log from its
// beginning, compacted or not. The model looks for the last record of a key.
func globalCase(t *testing.T, seed uint64) bool {
	random := rand.New(rand.NewPCG(seed, 0))
	everyRecord, left := random.IntN(4) == 0, random.IntN(2) == 0
	keys := []string{"a", "bb", "", "c"}[:1+random.IntN(4)]
	topicKeys := codec.Nullable(codec.JSON[string]())
	// written is a key as it may lie on the topic: not always as the codec would write it.
	written := func(key string) []byte { return fmt.Appendf(nil, "%*s%q", random.IntN(3), "", key) }

	var log []broker.Record
	var env *operator.Env
	var input operator.Input
	var results lines
	var joins [2]*operator.GlobalJoin[string, string, *string, string, string]
	var nulls int64
	open := func() {
		if random.IntN(2) == 0 { // compaction
			log = slices.DeleteFunc(log, func(r broker.Record) bool {
				return r.Key != nil && slices.ContainsFunc(log, func(o broker.Record) bool { return o.Offset > r.Offset && keyOf(o) == keyOf(r) })
			})
		}
		env = &operator.Env{Context: t.Context(), Logger: slog.New(slog.DiscardHandler)}
		rows := operator.NewGlobalRows(topicKeys, codec.String())
		input = rows.Input(env, 0, "rows")
		nulls = 0
		for i := range log {
			process(t, input, &log[i])
			if log[i].Key == nil {
				nulls++
			}
		}
		for i := range joins { // two tasks
			joins[i] = &operator.GlobalJoin[string, string, *string, string, string]{
				Env: env, Table: rows.View("rows"), Unmatched: left, Next: &results,
				Key: func(_ context.Context, r *operator.Record[string, string]) (*string, error) {
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
				Merge: func(_ context.Context, r *operator.Record[string, string], row *string) (string, error) {
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
			r := broker.Record{Offset: int64(i), Key: written(keys[random.IntN(len(keys))])}
			switch random.IntN(8) {
			case 0, 1:
			case 2:
				r.Key, r.Value = nil, []byte("lost")
				nulls++
			default:
				r.Value = fmt.Append(nil, "row ", i)
			}
			log = append(log, r)
			process(t, input, &r)
		} else {
			r := operator.Record[string, string]{Key: "k", KeyNull: random.IntN(4) == 0, Value: append(keys, "null", "none", "unknown")[random.IntN(len(keys)+3)], Millis: int64(i)}
			results.results = nil
			if err := joins[random.IntN(2)].Receive(&r); err != nil {
				t.Fatal(err)
			}
			var want []string
			row := "nothing"
			for _, o := range slices.Backward(log) {
				if o.Key != nil && keyOf(o) == r.Value && r.Value != "null" && r.Value != "none" {
					if o.Value != nil {
						row = string(o.Value)
					}
					break
				}
			}
			if left || row != "nothing" {
				want = []string{fmt.Sprintf("k: %s %s at %d", r.Value, row, i)}
			}
			if diff := gocmp.Diff(want, results.results); diff != "" {
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

func keyOf(r broker.Record) string {
	key, err := codec.JSON[string]().Decode(&codec.Context{}, r.Key)
	if err != nil {
		return "no key"
	}
	return key
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
	first := rand.Uint64()
	t.Logf("seeds from %d", first)
	for i := range uint64(10_000) {
		if !globalCase(t, first+i) {
			return
		}
	}
}
