package stream_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
)

// Examples of the Record forms of operators without state.

type lineRecord = weir.Record[string, string]

var errEmpty = errors.New("the line is empty")

// asNumber is a function of a value that several topologies share.
func asNumber(_ context.Context, line string) (int, error) { return strconv.Atoi(line) }

func ExampleStream_MapWith() {
	t := stream.NewTopology()
	t.From(lines).MapWith(asNumber).Map(strconv.Itoa).To(words)

	run(t, words, "+7")
	// Output: k 7
}

func ExampleStream_FilterWith() {
	positive := func(ctx context.Context, line string) (bool, error) {
		n, err := asNumber(ctx, line)
		return n > 0, err
	}
	t := stream.NewTopology()
	t.From(lines).FilterWith(positive).To(words)

	run(t, words, "1", "-1")
	// Output: k 1
}

func ExampleStream_MapKeyRecord() {
	t := stream.NewTopology()
	t.From(lines).
		MapKeyRecord(func(ctx context.Context, r lineRecord) (string, error) { return r.Key + r.Value, ctx.Err() }).
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

func ExampleStream_Transform() {
	t := stream.NewTopology()
	t.From(lines).
		Transform(func(_ context.Context, r lineRecord) (lineRecord, error) {
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
		UpdateRecord(func(_ context.Context, r weir.Record[string, *reading]) error {
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

func timeOf(_ context.Context, r lineRecord) (string, error) {
	return r.Value + " at " + r.Time().UTC().Format(time.TimeOnly), nil
}

func ExampleStream_SetTimestampRecord() {
	t := stream.NewTopology()
	t.From(lines).
		SetTimestampRecord(func(ctx context.Context, r lineRecord) (time.Time, error) {
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
func headersOf(_ context.Context, r lineRecord) (string, error) {
	var all []string
	for _, h := range r.Headers {
		all = append(all, fmt.Sprintf("%s=%s", h.Key, h.Value))
	}
	return strings.Join(all, " "), nil
}

func ExampleStream_SetHeaders() {
	t := stream.NewTopology()
	t.From(lines).
		SetHeaders(func(_ context.Context, r lineRecord) ([]weir.Header, error) {
			if r.Value == "" {
				return nil, errEmpty
			}
			return []weir.Header{{Key: "from", Value: []byte(r.Origin.Topic)}}, nil
		}).
		MapRecord(headersOf).
		To(words)

	run(t, words, "weir")
	// Output: k from=lines
}

func ExampleStream_GroupByRecord() {
	t := stream.NewTopology()
	t.From(lines).
		GroupByRecord("by-length", func(_ context.Context, r lineRecord) (string, error) {
			if r.ValueNull {
				return "", errEmpty
			}
			return fmt.Sprint(len(r.Value), " letters:"), nil
		}).
		To(words)

	run(t, words, "weir")
	// Output: 4 letters: weir
}

// byLine is an internal topic with two partitions and keys in JSON.
var byLine = stream.Repartition[string, string]{Name: "by-line", Key: codec.JSON[string](), Partitions: 2}

func ExampleStream_GroupByWith_record() {
	t := stream.NewTopology()
	t.From(lines).
		MapKeyRecord(func(ctx context.Context, r lineRecord) (string, error) { return r.Origin.Topic, ctx.Err() }).
		GroupByKeyWith(byLine).
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

func ExampleStream_ToOneOf() {
	other := stream.NewTopic("other", codec.String(), codec.String())
	t := stream.NewTopology()
	t.From(lines).ToOneOf(func(_ context.Context, r lineRecord) (stream.Topic[string, string], error) {
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

func ExampleStream_ToDynamic() {
	t := stream.NewTopology()
	t.From(lines).ToDynamic(words, func(_ context.Context, r lineRecord) (string, error) {
		if r.Value == "" {
			return "", errEmpty
		}
		return "words-" + r.Value[:1], nil
	})

	run(t, stream.NewTopic("words-w", codec.String(), codec.String()), "weir", "sluice")
	// Output: k weir
}

func ExampleStream_ToOneOfWith() {
	other := stream.NewTopic("other", codec.String(), codec.String())
	byFirstLetter := weir.Write[string, string]{Key: func(r lineRecord) string { return r.Value[:1] }}
	t := stream.NewTopology()
	t.From(lines).ToOneOfWith(byFirstLetter, func(_ context.Context, r lineRecord) (stream.Topic[string, string], error) {
		if len(r.Value) < 5 {
			return words, nil
		}
		return other, nil
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
	kinds := t.From(lines).FanOut()
	kinds.WhenRecord("text", func(ctx context.Context, r lineRecord) (bool, error) { return !r.ValueNull, ctx.Err() }).To(words)

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
	kinds.MatchRecord("text", func(ctx context.Context, r lineRecord) (int, bool, error) {
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
