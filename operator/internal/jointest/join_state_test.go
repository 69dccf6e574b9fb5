package jointest_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/operator/internal/operatortest"
)

// hour sends an hour of event time through a join, a record per second and side, of ten keys in turn. It returns how many rows
// are left in the database, and the greatest number at any checkpoint.
func hour(t *testing.T, build func(env *operator.Env) (left, right operator.Receiver[string, int])) (rows, most int) {
	t.Helper()
	backend := state.NewMemory()
	env := &operator.Env{
		Context: t.Context(), Logger: slog.New(slog.DiscardHandler),
		Space: func(name string) (state.Space, error) {
			return state.Space{Name: name, Backend: backend, Prefix: []byte(name + "\x00"), CacheBytes: 1 << 20}, nil
		},
	}
	left, right := build(env)
	keys := operatortest.Keys(10)
	for second := range int64(3600) {
		r := weir.Record[string, int]{Key: keys[second%10], Value: 1, Millis: 1000 * second, Origin: &env.Origin}
		if err := left.Receive(&r); err != nil {
			t.Fatal(err)
		}
		if err := right.Receive(&r); err != nil {
			t.Fatal(err)
		}
		if second%10 != 9 {
			continue
		}
		operatortest.Flush(t, backend, env.Stores)
		rows = 0
		if err := backend.Scan(nil, nil, func(_, _ []byte) (bool, error) { rows++; return true, nil }); err != nil {
			t.Fatal(err)
		}
		most = max(most, rows)
	}
	return rows, most
}

// Of each key, what is younger than the grace is kept, the record at its very end included: 7 in 60 s.
func TestAnAsOfJoinKeepsTheGraceOfEachKey(t *testing.T) {
	rows, most := hour(t, func(env *operator.Env) (left, right operator.Receiver[string, int]) {
		j, err := operator.NewAsOf(env, 0, join.AsOf{}.Grace(time.Minute), codec.String(), codec.Int(), codec.Int(), true, nil, nil,
			func(context.Context, *weir.Record[string, int], *join.Matched[int]) (int, error) {
				return 0, nil
			}, &operatortest.Discarded{})
		if err != nil {
			t.Fatal(err)
		}
		return j, j.Right()
	})
	if rows != 70 || most != 70 {
		t.Errorf("%d rows, %d at most; want 7 for each of 10 keys", rows, most)
	}
}

// A left record waits for its tolerance at most: there are 6 right ones of each of 10 keys beside them, an index and the time.
func TestAForwardJoinKeepsWhatWaits(t *testing.T) {
	rows, most := hour(t, func(env *operator.Env) (left, right operator.Receiver[string, int]) {
		d := join.AsOf{}.Grace(50 * time.Second).Tolerance(5 * time.Second).Forward()
		j, err := operator.NewAsOf(env, 0, d, codec.String(), codec.Int(), codec.Int(), true, nil, nil,
			func(context.Context, *weir.Record[string, int], *join.Matched[int]) (int, error) {
				return 0, nil
			}, &operatortest.Discarded{})
		if err != nil {
			t.Fatal(err)
		}
		return j, j.Right()
	})
	if rows != 61 || most != 61 {
		t.Errorf("%d rows, %d at most; want 60 of the right side, and the time", rows, most)
	}
}

// Of each side, records are kept that are no older than the grace and the greater bound, one index entry per key, and the time.
func TestAnIntervalJoinKeepsTheGraceOfThePartition(t *testing.T) {
	rows, most := hour(t, func(env *operator.Env) (left, right operator.Receiver[string, int]) {
		j, err := operator.NewInterval(env, 0, join.Within(time.Second, time.Second).Grace(time.Minute), codec.String(), codec.Int(), codec.Int(),
			true, true, nil, nil, func(context.Context, *weir.Record[string, int], *weir.Record[string, int]) (int, error) {
				return 0, nil
			}, &operatortest.Discarded{})
		if err != nil {
			t.Fatal(err)
		}
		return j, j.Right()
	})
	if want := 2*62 + 2*10 + 1; rows != want || most != want {
		t.Errorf("%d rows, %d at most; want %d", rows, most, want)
	}
}
