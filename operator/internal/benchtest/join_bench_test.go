package benchtest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/operator"
	"github.com/weirstreams/weir/operator/internal/operatortest"
)

func benchEnv(b *testing.B) *operator.Env {
	backend := state.NewMemory()
	return &operator.Env{
		Context: b.Context(), Logger: slog.New(slog.DiscardHandler),
		Space: func(name string) (state.Space, error) {
			return state.Space{Name: name, Backend: backend, Prefix: []byte(name), CacheBytes: 4 << 30}, nil
		},
	}
}

// A left record finds its match in a warm cache. The limit is 250 ns and 0 allocations (1,000 keys, reference machine).
func BenchmarkAsOfJoin(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		b.Run(fmt.Sprintf("left/keys=%d", n), func(b *testing.B) {
			keys, env, out := operatortest.Keys(n), benchEnv(b), &operatortest.Discarded{}
			j := benchAsOf(b, env, out)
			for i, key := range keys {
				for at := range int64(3) {
					r := weir.Record[string, int]{Key: key, Value: i, Millis: 1000 * at, Origin: &env.Origin}
					if err := j.Right().Receive(&r); err != nil {
						b.Fatal(err)
					}
				}
			}
			r := weir.Record[string, int]{Value: 1, Millis: 1500, Origin: &env.Origin}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				r.Key = keys[i]
				if i += 7919; i >= n {
					i %= n
				}
				if err := j.Receive(&r); err != nil {
					b.Fatal(err)
				}
			}
			if out.N == 0 {
				b.Fatal("nothing was joined")
			}
		})
		b.Run(fmt.Sprintf("right/keys=%d", n), func(b *testing.B) {
			keys, env := operatortest.Keys(n), benchEnv(b)
			right := benchAsOf(b, env, &operatortest.Discarded{}).Right()
			r := weir.Record[string, int]{Value: 1, Origin: &env.Origin}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				r.Key = keys[i]
				if i += 7919; i >= n {
					i %= n
				}
				r.Millis++
				if err := right.Receive(&r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func benchAsOf(b *testing.B, env *operator.Env, out operator.Receiver[string, int]) *operator.AsOf[string, int, int, int] {
	j, err := operator.NewAsOf(env, 0, join.AsOf{}.Grace(time.Minute), codec.String(), codec.Int(), codec.Int(), false, nil, nil,
		func(_ context.Context, l *weir.Record[string, int], r *join.Matched[int]) (int, error) {
			return l.Value + r.Value, nil
		}, out)
	if err != nil {
		b.Fatal(err)
	}
	return j
}

// Each record is kept, joined with one or two of the other side, and dropped when its grace is over.
func BenchmarkIntervalJoin(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			keys, env, out := operatortest.Keys(n), benchEnv(b), &operatortest.Discarded{}
			span := time.Duration(n) * 3 * time.Millisecond
			j, err := operator.NewInterval(env, 0, join.Within(span, span).Grace(span), codec.String(), codec.Int(), codec.Int(), false, false, nil, nil,
				func(_ context.Context, l, r *weir.Record[string, int]) (int, error) {
					return l.Value + r.Value, nil
				}, out)
			if err != nil {
				b.Fatal(err)
			}
			sides := []operator.Receiver[string, int]{j, j.Right()}
			r := weir.Record[string, int]{Value: 1, Origin: &env.Origin}
			b.ReportAllocs()
			i, side := 0, 0
			for b.Loop() {
				r.Key = keys[i]
				if i++; i == n {
					i, side = 0, 1-side
				}
				r.Millis++
				if err := sides[side].Receive(&r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

type discardedChanges struct{ n int }

func (d *discardedChanges) Receive(*weir.Record[string, operator.Change[int]]) error {
	d.n++
	return nil
}

// benchKeyed sends a record for each key in turn, far apart from each other, and expects results.
func benchKeyed(b *testing.B, name string, n int, env *operator.Env, to operator.Receiver[string, int], keys []string, results *int) {
	b.Run(fmt.Sprintf("%s/keys=%d", name, n), func(b *testing.B) {
		r := weir.Record[string, int]{Value: 1, Origin: &env.Origin}
		before := *results
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			r.Key = keys[i]
			if i += 7919; i >= n {
				i %= n
			}
			r.Millis++
			r.Value++
			if err := to.Receive(&r); err != nil {
				b.Fatal(err)
			}
		}
		if *results == before {
			b.Fatal("nothing came of it")
		}
	})
}

// benchTables returns tables of n rows each, in the memory of their stores, and what joins them.
func benchTables(b *testing.B, env *operator.Env, keys []string, out operator.Receiver[string, operator.Change[int]]) (
	left, right operator.Receiver[string, int], joined *operator.Tables[string, int, int, int],
) {
	var rows [2]*operator.Rows[string, int]
	for i, name := range []string{"left", "right"} {
		var err error
		if rows[i], err = operator.NewRows(env, state.NewCell[int](name), codec.String()); err != nil {
			b.Fatal(err)
		}
	}
	joined = &operator.Tables[string, int, int, int]{Env: env, Next: out, Sides: operator.TablesView[string, int, int, int]{
		Left: rows[0], Right: rows[1], Merge: func(l, r *int) int { return *l + *r },
	}}
	left = &operator.Table[string, int]{Env: env, Rows: rows[0], Next: joined.Left()}
	right = &operator.Table[string, int]{Env: env, Rows: rows[1], Next: joined.Right()}
	for _, side := range []operator.Receiver[string, int]{left, right} {
		for i, key := range keys {
			r := weir.Record[string, int]{Key: key, Value: i, Origin: &env.Origin}
			if err := side.Receive(&r); err != nil {
				b.Fatal(err)
			}
		}
	}
	return left, right, joined
}

// A change of a row, a change of a row that is joined with another, and a record that is joined with a row.
func BenchmarkTables(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		keys, env, changes, results := operatortest.Keys(n), benchEnv(b), &discardedChanges{}, &operatortest.Discarded{}
		_, right, joined := benchTables(b, env, keys, changes)
		alone, err := operator.NewRows(env, state.NewCell[int]("alone"), codec.String())
		if err != nil {
			b.Fatal(err)
		}
		table := &operator.Table[string, int]{Env: env, Rows: alone, Next: changes}
		for _, key := range keys {
			r := weir.Record[string, int]{Key: key, Value: 1, Origin: &env.Origin}
			if err := table.Receive(&r); err != nil {
				b.Fatal(err)
			}
		}
		benchKeyed(b, "table", n, env, table, keys, &changes.n)
		benchKeyed(b, "tables", n, env, right, keys, &changes.n)
		benchKeyed(b, "streamtable", n, env, &operator.TableJoin[string, int, int, int]{
			Env: env, Table: joined.Sides.Right, Next: results,
			Merge: func(_ context.Context, r *weir.Record[string, int], row *int) (int, error) {
				return r.Value + *row, nil
			},
		}, keys, &results.N)
	}
}

// channel is a topic between two operators, with memory that is used again.
type channel struct {
	records []broker.Record
	waiting int
	to      operator.Input
}

func (c *channel) Partitions() int32 { return 1 }

func (c *channel) Append(_ int32, r *broker.Record) error {
	if c.waiting == len(c.records) {
		c.records = append(c.records, broker.Record{})
	}
	held := &c.records[c.waiting]
	held.Key, held.Value = append(held.Key[:0], r.Key...), append(held.Value[:0], r.Value...)
	c.waiting++
	return nil
}

func (c *channel) deliver() error {
	n := c.waiting
	c.waiting = 0
	for i := range c.records[:n] {
		if err := c.to.Process(&c.records[i]); err != nil {
			return err
		}
	}
	return nil
}

// Left rows name one right row each: a change of a left row, one that names another right row, and a change of a right row, with
// the messages between the sides encoded and decoded, in place of what Kafka does.
func BenchmarkForeignKeyJoin(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		keys, env, changes := operatortest.Keys(n), benchEnv(b), &discardedChanges{}
		var rows [2]*operator.Rows[string, int]
		for i, name := range []string{"left", "right"} {
			var err error
			if rows[i], err = operator.NewRows(env, state.NewCell[int](name), codec.String()); err != nil {
				b.Fatal(err)
			}
		}
		view := &operator.ForeignKeyView[string, int, int, int]{Left: rows[0], Merge: func(l, r *int) int { return *l + *r }}
		if err := view.Open(env, "join", codec.String(), codec.Int(), codec.Int()); err != nil {
			b.Fatal(err)
		}
		subscriptions, answers := &channel{}, &channel{}
		join := &operator.ForeignKeyJoin[string, int, string, int, int]{
			Env: env, View: view, Foreign: codec.String(), Next: changes,
			ForeignKey:    func(row int) (string, bool) { return keys[row], true },
			Subscriptions: operator.NewForeignKeyTopic(env, 0, "subscriptions", subscriptions),
		}
		other := &operator.ForeignKeyRight[string, int]{
			Env: env, Right: rows[1], Answers: operator.NewForeignKeyTopic(env, 0, "answers", answers),
		}
		if err := other.Open("join_subscriptions", "subscriptions", codec.String(), codec.Int()); err != nil {
			b.Fatal(err)
		}
		subscriptions.to = operator.NewSource(env, 0, "subscriptions", codec.Bytes(), operator.ForeignKeySubscriptions(), nil, other.Subscriptions())
		answers.to = operator.NewSource(env, 0, "answers", codec.String(), operator.ForeignKeyAnswers(), nil, join.Answers("answers"))
		left := &operator.Table[string, int]{Env: env, Rows: rows[0], Next: join.Changes()}
		right := &operator.Table[string, int]{Env: env, Rows: rows[1], Next: other.Changes()}
		r := weir.Record[string, int]{Origin: &env.Origin}
		send := func(to operator.Receiver[string, int], key string, row int) {
			env.Origin.Offset++
			r.Key, r.Value = key, row
			if err := errors.Join(to.Receive(&r), subscriptions.deliver(), answers.deliver()); err != nil {
				b.Fatal(err)
			}
		}
		for i, key := range keys {
			send(right, key, i)
			send(left, key, i)
		}
		run := func(name string, f func(i int)) {
			b.Run(fmt.Sprintf("%s/keys=%d", name, n), func(b *testing.B) {
				before := changes.n
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					f(i)
					if i += 7919; i >= n {
						i %= n
					}
				}
				if changes.n == before {
					b.Fatal("nothing came of it")
				}
			})
		}
		run("left", func(i int) { send(left, keys[i], i) })
		run("right", func(i int) { send(right, keys[i], i) })
		turn := 0
		run("leftother", func(i int) { turn++; send(left, keys[i], (i+1+turn/n)%n) })
	}
}
