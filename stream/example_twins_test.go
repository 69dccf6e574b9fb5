package stream_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
)

// The examples of this file are those of the Record and Try twins of operators without state.

type lineRecord = stream.Record[string, string]

var errEmpty = errors.New("the line is empty")

func ExampleStream_FilterNotRecord() {
	t := stream.NewTopology()
	t.From(lines).FilterNotRecord(func(r lineRecord) bool { return r.Origin.Offset == 0 }).To(words)

	run(t, words, "title", "weir")
	// Output: k weir
}

func ExampleStream_TryFilterNot() {
	t := stream.NewTopology()
	t.From(lines).
		TryFilterNot(func(_ context.Context, line string) (bool, error) {
			n, err := strconv.Atoi(line)
			return n < 0, err
		}).
		To(words)

	run(t, words, "1", "-1")
	// Output: k 1
}

func ExampleStream_TryFilterNotRecord() {
	t := stream.NewTopology()
	t.From(lines).
		TryFilterNotRecord(func(ctx context.Context, r lineRecord) (bool, error) { return r.ValueNull, ctx.Err() }).
		To(words)

	run(t, words, "weir")
	// Output: k weir
}

func ExampleStream_FlatMapSeqRecord() {
	t := stream.NewTopology()
	t.From(lines).
		FlatMapSeqRecord(func(r lineRecord) iter.Seq[string] { return slices.Values([]string{r.Key, r.Value}) }).
		To(words)

	run(t, words, "weir")
	// Output:
	// k k
	// k weir
}

func ExampleStream_TryFlatMapSeq() {
	numbersOf := func(_ context.Context, line string) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			for field := range strings.FieldsSeq(line) {
				if !yield(strconv.Atoi(field)) {
					return
				}
			}
		}
	}

	t := stream.NewTopology()
	t.From(lines).TryFlatMapSeq(numbersOf).To(numbers)

	run(t, numbers, "1 2")
	// Output:
	// k 1
	// k 2
}

func ExampleStream_TryFlatMapSeqRecord() {
	t := stream.NewTopology()
	t.From(lines).
		TryFlatMapSeqRecord(func(ctx context.Context, r lineRecord) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) {
				_ = yield(r.Key, ctx.Err()) && yield(r.Value, ctx.Err())
			}
		}).
		To(words)

	run(t, words, "weir")
	// Output:
	// k k
	// k weir
}

func ExampleStream_FlatMapEmitRecord() {
	t := stream.NewTopology()
	t.From(lines).
		FlatMapEmitRecord(func(r lineRecord, emit func(string)) {
			emit(r.Key)
			emit(r.Value)
		}).
		To(words)

	run(t, words, "weir")
	// Output:
	// k k
	// k weir
}

func ExampleStream_TryFlatMapEmit() {
	t := stream.NewTopology()
	t.From(lines).
		TryFlatMapEmit(func(_ context.Context, line string, emit func(int) error) error {
			for field := range strings.FieldsSeq(line) {
				n, err := strconv.Atoi(field)
				if err != nil {
					return err
				}
				if err := emit(n); err != nil {
					return err
				}
			}
			return nil
		}).
		To(numbers)

	run(t, numbers, "1 2")
	// Output:
	// k 1
	// k 2
}

func ExampleStream_TryFlatMapEmitRecord() {
	t := stream.NewTopology()
	t.From(lines).
		TryFlatMapEmitRecord(func(_ context.Context, r lineRecord, emit func(string) error) error {
			if r.ValueNull {
				return errEmpty
			}
			return emit(r.Value)
		}).
		To(words)

	run(t, words, "weir")
	// Output: k weir
}

func ExampleStream_MapKeyRecord() {
	t := stream.NewTopology()
	t.From(lines).MapKeyRecord(func(r lineRecord) string { return r.Key + "/" + r.Value }).To(words)

	run(t, words, "weir")
	// Output: k/weir weir
}

func ExampleStream_TryMapKey() {
	t := stream.NewTopology()
	t.From(lines).
		TryMapKey(func(_ context.Context, line string) (string, error) {
			name, _, ok := strings.Cut(line, "=")
			if !ok {
				return "", fmt.Errorf("no = in %q", line)
			}
			return name, nil
		}).
		To(words)

	run(t, words, "height=3")
	// Output: height height=3
}

func ExampleStream_TryMapKeyRecord() {
	t := stream.NewTopology()
	t.From(lines).
		TryMapKeyRecord(func(ctx context.Context, r lineRecord) (string, error) { return r.Key + r.Value, ctx.Err() }).
		To(words)

	run(t, words, "weir")
	// Output: kweir weir
}

// What follows keeps its state under keys that are encoded as JSON.
func ExampleStream_WithKeyCodec() {
	t := stream.NewTopology()
	t.From(lines).MapKey(strings.ToUpper).WithKeyCodec(codec.JSON[string]()).To(words)

	run(t, words, "weir")
	// Output: WEIR weir
}

func ExampleStream_TryTransform() {
	t := stream.NewTopology()
	t.From(lines).
		TryTransform(func(_ context.Context, r lineRecord) (lineRecord, error) {
			if r.Value == "" {
				return r, errEmpty
			}
			r.Key, r.Value = r.Value, r.Key
			return r, nil
		}).
		To(words)

	run(t, words, "weir")
	// Output: weir k
}

// readings are updated in place here: pointers to them are.
type reading struct{ Celsius, Fahrenheit float64 }

func toReading(line string) *reading {
	c, _ := strconv.ParseFloat(line, 64)
	return &reading{Celsius: c}
}

func (r *reading) text() string { return fmt.Sprint(r.Celsius, " C is ", r.Fahrenheit, " F") }

func ExampleStream_UpdateRecord() {
	t := stream.NewTopology()
	t.From(lines).
		Map(toReading).
		UpdateRecord(func(r stream.Record[string, *reading]) { r.Value.Fahrenheit = r.Value.Celsius*1.8 + 32 }).
		Map((*reading).text).
		To(words)

	run(t, words, "20")
	// Output: k 20 C is 68 F
}

func ExampleStream_TryUpdate() {
	t := stream.NewTopology()
	t.From(lines).
		Map(toReading).
		TryUpdate(func(ctx context.Context, r *reading) error {
			r.Fahrenheit = r.Celsius*1.8 + 32
			return ctx.Err()
		}).
		Map((*reading).text).
		To(words)

	run(t, words, "20")
	// Output: k 20 C is 68 F
}

func ExampleStream_TryUpdateRecord() {
	t := stream.NewTopology()
	t.From(lines).
		Map(toReading).
		TryUpdateRecord(func(_ context.Context, r stream.Record[string, *reading]) error {
			if r.Value == nil {
				return errEmpty
			}
			r.Value.Fahrenheit = r.Value.Celsius*1.8 + 32
			return nil
		}).
		Map((*reading).text).
		To(words)

	run(t, words, "20")
	// Output: k 20 C is 68 F
}

func timeOf(r lineRecord) string { return r.Value + " at " + r.Time().UTC().Format(time.TimeOnly) }

func ExampleStream_SetTimestampRecord() {
	t := stream.NewTopology()
	t.From(lines).
		SetTimestampRecord(func(r lineRecord) time.Time { return r.Time().Add(time.Hour) }).
		MapRecord(timeOf).
		To(words)

	run(t, words, "weir")
	// Output: k weir at 01:00:00
}

func ExampleStream_TrySetTimestamp() {
	t := stream.NewTopology()
	t.From(lines).
		TrySetTimestamp(func(_ context.Context, line string) (time.Time, error) { return time.Parse(time.RFC3339, line) }).
		MapRecord(timeOf).
		To(words)

	run(t, words, "2026-01-01T12:00:00Z")
	// Output: k 2026-01-01T12:00:00Z at 12:00:00
}

func ExampleStream_TrySetTimestampRecord() {
	t := stream.NewTopology()
	t.From(lines).
		TrySetTimestampRecord(func(ctx context.Context, r lineRecord) (time.Time, error) {
			return r.Time().Truncate(time.Minute), ctx.Err()
		}).
		MapRecord(timeOf).
		To(words)

	run(t, words, "weir", "mill")
	// Output:
	// k weir at 00:00:00
	// k mill at 00:00:00
}

// headersOf shows the headers of a record.
func headersOf(r lineRecord) string {
	var all []string
	for _, h := range r.Headers {
		all = append(all, fmt.Sprintf("%s=%s", h.Key, h.Value))
	}
	return strings.Join(all, " ")
}

func ExampleStream_TrySetHeaders() {
	t := stream.NewTopology()
	t.From(lines).
		TrySetHeaders(func(_ context.Context, r lineRecord) ([]stream.Header, error) {
			if r.Value == "" {
				return nil, errEmpty
			}
			return []stream.Header{{Key: "from", Value: []byte(r.Origin.Topic)}}, nil
		}).
		MapRecord(headersOf).
		To(words)

	run(t, words, "weir")
	// Output: k from=lines
}

func ExampleStream_AddHeaderRecord() {
	t := stream.NewTopology()
	t.From(lines).
		AddHeaderRecord("from", func(r lineRecord) []byte { return []byte(r.Origin.Topic) }).
		MapRecord(headersOf).
		To(words)

	run(t, words, "weir")
	// Output: k from=lines
}

func ExampleStream_TryAddHeader() {
	t := stream.NewTopology()
	t.From(lines).
		TryAddHeader("kind", func(_ context.Context, line string) ([]byte, error) {
			if line == "" {
				return nil, errEmpty
			}
			return []byte("text"), nil
		}).
		MapRecord(headersOf).
		To(words)

	run(t, words, "weir")
	// Output: k kind=text
}

func ExampleStream_TryAddHeaderRecord() {
	t := stream.NewTopology()
	t.From(lines).
		TryAddHeaderRecord("key", func(ctx context.Context, r lineRecord) ([]byte, error) { return []byte(r.Key), ctx.Err() }).
		MapRecord(headersOf).
		To(words)

	run(t, words, "weir")
	// Output: k key=k
}

func ExampleStream_TryGroupByRecord() {
	t := stream.NewTopology()
	t.From(lines).
		TryGroupByRecord("by-length", func(_ context.Context, r lineRecord) (int, error) {
			if r.ValueNull {
				return 0, errEmpty
			}
			return len(r.Value), nil
		}).
		MapRecord(func(r stream.Record[int, string]) string { return fmt.Sprint(r.Key, " letters") }).
		MapKey(func(string) string { return "k" }).
		To(words)

	run(t, words, "weir")
	// Output: k 4 letters
}

// byLine is an internal topic with two partitions and keys in JSON.
var byLine = stream.Repartition[string, string]{Name: "by-line", Key: codec.JSON[string](), Partitions: 2}

func ExampleStream_GroupByWithRecord() {
	t := stream.NewTopology()
	t.From(lines).GroupByWithRecord(byLine, func(r lineRecord) string { return r.Key + "/" + r.Value }).To(words)

	run(t, words, "weir")
	// Output: k/weir weir
}

func ExampleStream_TryGroupByWith() {
	t := stream.NewTopology()
	t.From(lines).
		TryGroupByWith(byLine, func(_ context.Context, line string) (string, error) {
			if line == "" {
				return "", errEmpty
			}
			return line[:1], nil
		}).
		To(words)

	run(t, words, "weir")
	// Output: w weir
}

func ExampleStream_TryGroupByWithRecord() {
	t := stream.NewTopology()
	t.From(lines).
		TryGroupByWithRecord(byLine, func(ctx context.Context, r lineRecord) (string, error) { return r.Origin.Topic, ctx.Err() }).
		To(words)

	run(t, words, "weir")
	// Output: lines weir
}

func ExampleStream_GroupByKeyWith() {
	t := stream.NewTopology()
	t.From(lines).MapKey(strings.ToLower).GroupByKeyWith(byLine).To(words)

	run(t, words, "Weir")
	// Output: weir Weir
}

func ExampleStream_TryToOneOf() {
	other := stream.NewTopic("other", codec.String(), codec.String())
	t := stream.NewTopology()
	t.From(lines).TryToOneOf(func(_ context.Context, r lineRecord) (stream.Topic[string, string], error) {
		switch {
		case r.Value == "":
			return other, errEmpty
		case strings.HasPrefix(r.Value, "w"):
			return words, nil
		}
		return other, nil
	}, words, other)

	run(t, words, "weir", "sluice")
	// Output: k weir
}

func ExampleStream_ToOneOfWith() {
	other := stream.NewTopic("other", codec.String(), codec.String())
	byFirstLetter := stream.Write[string, string]{Key: func(r lineRecord) string { return r.Value[:1] }}
	t := stream.NewTopology()
	t.From(lines).ToOneOfWith(byFirstLetter, func(r lineRecord) stream.Topic[string, string] {
		if len(r.Value) < 5 {
			return words
		}
		return other
	}, words, other)

	run(t, words, "weir", "sluice")
	// Output: w weir
}

func ExampleBranches_When() {
	t := stream.NewTopology()
	lengths := t.From(lines).Branch()
	lengths.When("short", func(line string) bool { return len(line) < 5 }).To(words)

	run(t, words, "weir", "sluice")
	// Output: k weir
}

func ExampleBranches_WhenRecord() {
	t := stream.NewTopology()
	offsets := t.From(lines).Branch()
	offsets.WhenRecord("first", func(r lineRecord) bool { return r.Origin.Offset == 0 }).To(words)

	run(t, words, "weir", "sluice")
	// Output: k weir
}

func ExampleBranches_TryWhen() {
	t := stream.NewTopology()
	signs := t.From(lines).Branch()
	signs.TryWhen("positive", func(_ context.Context, line string) (bool, error) {
		n, err := strconv.Atoi(line)
		return n > 0, err
	}).To(words)

	run(t, words, "7", "-7")
	// Output: k 7
}

func ExampleBranches_TryWhenRecord() {
	t := stream.NewTopology()
	kinds := t.From(lines).Split()
	kinds.TryWhenRecord("text", func(ctx context.Context, r lineRecord) (bool, error) { return !r.ValueNull, ctx.Err() }).To(words)

	run(t, words, "weir")
	// Output: k weir
}

func ExampleBranches_Match() {
	t := stream.NewTopology()
	kinds := t.From(lines).Branch()
	kinds.Match("number", func(line string) (int, bool) {
		n, err := strconv.Atoi(line)
		return n, err == nil
	}).To(numbers)

	run(t, numbers, "weir", "7")
	// Output: k 7
}

func ExampleBranches_MatchRecord() {
	t := stream.NewTopology()
	kinds := t.From(lines).Branch()
	kinds.MatchRecord("text", func(r lineRecord) (int, bool) { return len(r.Value), !r.ValueNull }).To(numbers)

	run(t, numbers, "weir")
	// Output: k 4
}

func ExampleBranches_TryMatch() {
	t := stream.NewTopology()
	kinds := t.From(lines).Branch()
	kinds.TryMatch("number", func(_ context.Context, line string) (int, bool, error) {
		if line == "" {
			return 0, false, nil
		}
		n, err := strconv.Atoi(line)
		return n, true, err
	}).To(numbers)

	run(t, numbers, "", "7")
	// Output: k 7
}

func ExampleBranches_TryMatchRecord() {
	t := stream.NewTopology()
	kinds := t.From(lines).Branch()
	kinds.TryMatchRecord("text", func(ctx context.Context, r lineRecord) (int, bool, error) {
		return len(r.Value), !r.ValueNull, ctx.Err()
	}).To(numbers)

	run(t, numbers, "weir")
	// Output: k 4
}

func ExampleBranches_Otherwise() {
	t := stream.NewTopology()
	lengths := t.From(lines).Branch()
	lengths.When("short", func(line string) bool { return len(line) < 5 })
	lengths.Otherwise("long").To(words)

	run(t, words, "weir", "sluice")
	// Output: k sluice
}
