package stream_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// The examples of joins are about gates that are opened and closed, on the left, and the level of the water, on the right.
// More about what the definitions do is in package join.

var (
	gates  = topic("gates")
	levels = topic("levels")

	hour     = join.AsOf{}.Grace(time.Hour)
	near     = join.Within(time.Second, time.Second)
	nearOnce = near.Grace(10 * time.Second).UnmatchedWhenFinal() // those without a match come once, when none can come
)

type matched = join.Matched[string]

// meet sends records of one key to a topology, each written as the second, "gate" or "level", and the value. It prints the
// results with their times.
func meet(t *stream.Topology, records ...string) {
	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		for _, r := range records {
			var second int64
			var side, value string
			fmt.Sscan(r, &second, &side, &value)
			to := gates
			if side == "level" {
				to = levels
			}
			d.Input(to).SendRecords(testkit.Record[string, string]{Key: "k", Value: value, ValueNull: value == "", Time: time.Unix(second, 0)})
		}
		for _, r := range d.Output(words).Read() {
			if r.ValueNull {
				r.Value = "null"
			}
			fmt.Println(r.Time.Unix(), r.Value)
		}
	})
	if err != nil {
		fmt.Println(err)
	}
}

// orNothing returns what a join gives of a side that may be missing.
func orNothing(s *string) string {
	if s == nil {
		return "nothing"
	}
	return *s
}

func ExampleStream_JoinAsOf() {
	t := stream.NewTopology()
	t.From(gates).JoinAsOf(t.From(levels), hour, func(gate, level string) string { return gate + " at " + level }).To(words)

	meet(t, "0 gate opened", "1 level high", "2 gate closed")
	// Output: 2 closed at high
}

func ExampleStream_JoinAsOfRecord() {
	t := stream.NewTopology()
	t.From(gates).JoinAsOfRecord(t.From(levels), hour, func(ctx context.Context, gate lineRecord, level matched) (string, error) {
		return gate.Key + ": " + gate.Value + " at " + level.Value, ctx.Err()
	}).To(words)

	meet(t, "1 level high", "3 gate opened")
	// Output: 3 k: opened at high
}

func ExampleStream_LeftJoinAsOf() {
	t := stream.NewTopology()
	t.From(gates).LeftJoinAsOf(t.From(levels), hour, func(gate string, level *string) string {
		return gate + " at " + orNothing(level)
	}).To(words)

	meet(t, "0 gate opened", "1 level high", "2 gate closed")
	// Output:
	// 0 opened at nothing
	// 2 closed at high
}

func ExampleStream_LeftJoinAsOfRecord() {
	t := stream.NewTopology()
	t.From(gates).LeftJoinAsOfRecord(t.From(levels), hour, func(ctx context.Context, gate lineRecord, level *matched) (string, error) {
		return fmt.Sprint(gate.Value, " with a level: ", level != nil), ctx.Err()
	}).To(words)

	meet(t, "0 gate opened")
	// Output: 0 opened with a level: false
}

func ExampleStream_JoinInterval() {
	t := stream.NewTopology()
	t.From(gates).JoinInterval(t.From(levels), near, func(gate, level string) string { return gate + " around " + level }).To(words)

	meet(t, "0 gate opened", "1 level high", "2 gate closed", "9 level low")
	// Output:
	// 1 opened around high
	// 2 closed around high
}

func ExampleStream_JoinIntervalRecord() {
	t := stream.NewTopology()
	t.From(gates).JoinIntervalRecord(t.From(levels), near, func(ctx context.Context, gate, level lineRecord) (string, error) {
		return gate.Key + ": " + gate.Value + " around " + level.Value, ctx.Err()
	}).To(words)

	meet(t, "0 gate opened", "1 level high")
	// Output: 1 k: opened around high
}

func ExampleStream_LeftJoinInterval() {
	t := stream.NewTopology()
	t.From(gates).LeftJoinInterval(t.From(levels), nearOnce, func(gate string, level *string) string {
		return gate + " around " + orNothing(level)
	}).To(words)

	meet(t, "0 gate opened", "3 level high", "4 gate closed", "20 level low")
	// Output:
	// 4 closed around high
	// 0 opened around nothing
}

func ExampleStream_LeftJoinIntervalRecord() {
	t := stream.NewTopology()
	t.From(gates).LeftJoinIntervalRecord(t.From(levels), near, func(ctx context.Context, gate lineRecord, level *lineRecord) (string, error) {
		return fmt.Sprint(gate.Value, " with a level: ", level != nil), ctx.Err()
	}).To(words)

	meet(t, "0 gate opened")
	// Output: 0 opened with a level: false
}

func ExampleStream_RightJoinInterval() {
	t := stream.NewTopology()
	t.From(gates).RightJoinInterval(t.From(levels), near, func(gate *string, level string) string {
		return orNothing(gate) + " around " + level
	}).To(words)

	meet(t, "0 level low", "3 gate opened", "4 level high")
	// Output:
	// 0 nothing around low
	// 4 opened around high
}

func ExampleStream_RightJoinIntervalRecord() {
	t := stream.NewTopology()
	t.From(gates).RightJoinIntervalRecord(t.From(levels), near, func(ctx context.Context, gate *lineRecord, level lineRecord) (string, error) {
		return fmt.Sprint(level.Value, " with a gate: ", gate != nil), ctx.Err()
	}).To(words)

	meet(t, "0 level low")
	// Output: 0 low with a gate: false
}

func ExampleStream_OuterJoinInterval() {
	t := stream.NewTopology()
	t.From(gates).OuterJoinInterval(t.From(levels), near, func(gate, level *string) string {
		return orNothing(gate) + " around " + orNothing(level)
	}).To(words)

	meet(t, "0 level low", "3 gate opened", "4 level high")
	// Output:
	// 0 nothing around low
	// 3 opened around nothing
	// 4 opened around high
}

func ExampleStream_OuterJoinIntervalRecord() {
	t := stream.NewTopology()
	t.From(gates).OuterJoinIntervalRecord(t.From(levels), near, func(_ context.Context, gate, level *lineRecord) (string, error) {
		if gate != nil && gate.ValueNull {
			return "", errEmpty
		}
		return fmt.Sprint(gate != nil, " and ", level != nil), nil
	}).To(words)

	meet(t, "0 level low", "1 gate opened")
	// Output:
	// 0 false and true
	// 1 true and true
}

func ExampleStream_JoinTableRecord() {
	t := stream.NewTopology()
	t.From(gates).JoinTableRecord(t.Table(levels), func(ctx context.Context, gate lineRecord, level string) (string, error) {
		return gate.Key + ": " + gate.Value + " at " + level, ctx.Err()
	}).To(words)

	meet(t, "1 level high", "2 gate closed")
	// Output: 2 k: closed at high
}

func ExampleStream_LeftJoinTable() {
	t := stream.NewTopology()
	t.From(gates).LeftJoinTable(t.Table(levels), func(gate string, level *string) string {
		return gate + " at " + orNothing(level)
	}).To(words)

	meet(t, "0 gate opened", "1 level high", "2 gate closed")
	// Output:
	// 0 opened at nothing
	// 2 closed at high
}

func ExampleStream_LeftJoinTableRecord() {
	t := stream.NewTopology()
	t.From(gates).LeftJoinTableRecord(t.Table(levels), func(ctx context.Context, gate lineRecord, level *string) (string, error) {
		return gate.Key + ": " + gate.Value + " at " + orNothing(level), ctx.Err()
	}).To(words)

	meet(t, "0 gate opened")
	// Output: 0 k: opened at nothing
}

// A null value deletes the row.
func ExampleTopology_Table() {
	t := stream.NewTopology()
	t.Table(levels).To(words)

	meet(t, "0 level low", "1 level high", "2 level")
	// Output:
	// 0 low
	// 1 high
	// 2 null
}

// A table of what a stream has made of its topic.
func ExampleTableOf() {
	t := stream.NewTopology()
	stream.TableOf(t.From(levels).Map(strings.ToUpper), "levels").To(words)

	meet(t, "0 level low")
	// Output: 0 LOW
}

func ExampleTable_Stream() {
	t := stream.NewTopology()
	t.Table(levels).Stream().Map(strings.ToUpper).To(words)

	meet(t, "0 level low")
	// Output: 0 LOW
}

func ExampleTable_To() {
	t := stream.NewTopology()
	t.Table(levels).To(words)

	meet(t, "0 level low")
	// Output: 0 low
}

func ExampleTable_Join() {
	t := stream.NewTopology()
	t.Table(gates).Join(t.Table(levels), func(gate, level string) string { return gate + " at " + level }).To(words)

	meet(t, "0 gate opened", "1 level high", "2 level low", "3 gate")
	// Output:
	// 1 opened at high
	// 2 opened at low
	// 3 null
}

func ExampleTable_OuterJoin() {
	t := stream.NewTopology()
	t.Table(gates).OuterJoin(t.Table(levels), func(gate, level *string) string {
		return orNothing(gate) + " at " + orNothing(level)
	}).To(words)

	meet(t, "0 gate opened", "1 level high", "2 gate", "3 level")
	// Output:
	// 0 opened at nothing
	// 1 opened at high
	// 2 nothing at high
	// 3 null
}
