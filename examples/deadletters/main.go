// Command deadletters shows the way of a bad record: it becomes a dead letter, is looked at, and is replayed to a mended program.
//
//	go run ./examples/deadletters
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/deadletter"
	"github.com/weirstreams/weir/examples/internal/local"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/stream"
)

type payment struct {
	Amount   int
	Currency string
}

var (
	payments = stream.NewTopic("payments", codec.String(), codec.JSON[payment]())
	cents    = stream.NewTopic("cents", codec.String(), codec.Int())
)

// topology converts payments to US cents. A currency without a rate is an error of its record.
func topology(rates map[string]int, kept *stream.Collector[string, int]) *stream.Topology {
	t := stream.NewTopology()
	t.From(payments).
		MapRecord(func(_ context.Context, r weir.Record[string, payment]) (int, error) {
			rate, ok := rates[r.Value.Currency]
			if !ok {
				return 0, fmt.Errorf("no rate for %q", r.Value.Currency)
			}
			return r.Value.Amount * rate, nil
		}).
		Collect(kept).
		To(cents)
	return t
}

func program(ctx context.Context, out io.Writer, config runtime.Config) error {
	config.Errors = weir.ErrorPolicy{
		Rules: []weir.ErrorRule{
			{Stages: []weir.Stage{weir.StageProduce}, Action: weir.Fail},
		},
		Action: weir.DeadLetter,
	}
	if err := process(ctx, out, config, map[string]int{"USD": 100, "EUR": 108}, []weir.Record[string, payment]{
		{Key: "ann", Value: payment{3, "USD"}}, {Key: "bob", Value: payment{2, "JPY"}}, {Key: "cat", Value: payment{1, "EUR"}}, {Key: "dan", Value: payment{9, "CHF"}},
	}, 2); err != nil {
		return err
	}
	clients := kafka.Config{Connection: config.Connection, Prefix: config.Prefix, Logger: config.Logger}
	if err := show(ctx, out, clients, config.Group); err != nil {
		return err
	}
	options := deadletter.ReplayOptions{Topic: deadletter.Topic(config.Group), Message: "JPY", Idle: 2 * time.Second}
	report, err := deadletter.Replay(ctx, clients, options)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "replayed %d, passed over %d\n", report.Replayed, report.Filtered)
	return process(ctx, out, config, map[string]int{"USD": 100, "EUR": 108, "JPY": 1}, nil, 1)
}

// process runs the application until it has converted so many payments.
func process(ctx context.Context, out io.Writer, config runtime.Config, rates map[string]int, input []weir.Record[string, payment], results int64) error {
	var kept stream.Collector[string, int]
	app, err := runtime.New(topology(rates, &kept), config)
	if err != nil {
		return err
	}
	for i := range input {
		input[i].Millis = time.Now().UnixMilli()
	}
	if err := local.Feed(ctx, app, payments, input...); err != nil {
		return err
	}
	until := runtime.Until{Idle: 3 * time.Second} // also the records that fail
	if err := app.RunUntil(ctx, until); err != nil {
		return err
	}
	for _, r := range kept.Records() {
		fmt.Fprintf(out, "%s: %d cents\n", r.Key, r.Value)
	}
	if n := int64(len(kept.Records())); n != results {
		return fmt.Errorf("%d payments are converted, not %d", n, results)
	}
	return nil
}

// show prints the letters that are there.
func show(ctx context.Context, out io.Writer, config kafka.Config, group string) error {
	reader, err := deadletter.NewReader(ctx, config, deadletter.ReaderOptions{Topic: deadletter.Topic(group), Group: group + "-look"})
	if err != nil {
		return err
	}
	for range 2 {
		letter, err := reader.Poll(ctx, 30*time.Second)
		if err == nil && letter == nil {
			err = errors.New("a letter is missing")
		}
		if err != nil {
			return errors.Join(err, reader.Close(ctx))
		}
		p, err := deadletter.Decode(payments, letter)
		if err != nil {
			return errors.Join(err, reader.Close(ctx))
		}
		fmt.Fprintf(out, "letter of %s: %d %s, %s failed: %s\n", p.Key, p.Value.Amount, p.Value.Currency, letter.Operator, letter.Message)
	}
	return reader.Close(ctx)
}

func main() { local.Main("deadletters", program) }
