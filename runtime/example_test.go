package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/kafkatest/heldclose"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/stream"
)

var (
	rawLines = stream.NewTopic("lines", codec.String(), codec.String())
	shouted  = stream.NewTopic("shouted", codec.String(), codec.String())
)

// onKafka calls f with an App that makes upper case of lines, on a broker in this process.
func onKafka(f func(ctx context.Context, app *runtime.App) error) {
	err := func() error {
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.ListenFn(heldclose.Listen))
		if err != nil {
			return err
		}
		defer cluster.Close()
		state, err := os.MkdirTemp("", "weir")
		if err != nil {
			return err
		}
		defer os.RemoveAll(state)

		topology := stream.NewTopology()
		topology.From(rawLines).Map(strings.ToUpper).To(shouted)
		app, err := runtime.New(topology, runtime.Config{
			Connection: kafka.Connection{Brokers: cluster.ListenAddrs()}, Group: "shouting",
			State: runtime.StateConfig{Dir: state}, Topics: runtime.TopicConfig{Create: true}, Workers: 1,
			Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		return f(ctx, app)
	}()
	if err != nil {
		fmt.Println(err)
	}
}

// sendLines writes lines to the input.
func sendLines(ctx context.Context, app *runtime.App, lines ...string) error {
	p, err := app.Producer(ctx, kafka.ProducerOptions{})
	if err != nil {
		return err
	}
	for _, line := range lines {
		if err := p.Send(ctx, rawLines, weir.Record[string, string]{Key: "k", Value: line}); err != nil {
			return errors.Join(err, p.Close())
		}
	}
	return errors.Join(p.Flush(ctx), p.Close())
}

// A service without a pipeline of its own writes to a topic.
func ExampleApp_Producer() {
	onKafka(func(ctx context.Context, app *runtime.App) error {
		p, err := app.Producer(ctx, kafka.ProducerOptions{})
		if err != nil {
			return err
		}
		record := weir.Record[string, string]{Key: "k", Value: "hello", Millis: time.Now().UnixMilli()}
		if err := p.Send(ctx, rawLines, record); err != nil {
			return errors.Join(err, p.Close())
		}
		err = p.Flush(ctx)
		fmt.Println("acknowledged:", err == nil)
		return errors.Join(err, p.Close())
	})
	// Output: acknowledged: true
}

// The run ends by itself when two records were written.
func ExampleApp_RunUntil() {
	onKafka(func(ctx context.Context, app *runtime.App) error {
		if err := sendLines(ctx, app, "hello", "weir"); err != nil {
			return err
		}
		err := app.RunUntil(ctx, runtime.Until{Outputs: 2})
		fmt.Println("done:", err == nil)
		return err
	})
	// Output: done: true
}

// A run ends in order when its context does.
func ExampleApp_Run() {
	onKafka(func(ctx context.Context, app *runtime.App) error {
		ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		err := app.Run(ctx)
		fmt.Println("stopped:", err == nil)
		return err
	})
	// Output: stopped: true
}

// A service without a pipeline of its own reads a topic.
func ExampleApp_Consumer() {
	onKafka(func(ctx context.Context, app *runtime.App) error {
		if err := sendLines(ctx, app, "hello", "weir"); err != nil {
			return err
		}
		if err := app.RunUntil(ctx, runtime.Until{Outputs: 2}); err != nil {
			return err
		}
		c, err := app.Consumer(ctx, kafka.ConsumerOptions{Topics: []string{shouted.Name()}, Group: "readers"})
		if err != nil {
			return err
		}
		for n := 0; n < 2; {
			m, err := c.Poll(ctx, time.Second)
			if err != nil {
				return errors.Join(err, c.Close(ctx))
			}
			if m == nil {
				continue // nothing has come within a second
			}
			r, err := kafka.Decode(shouted, m)
			if err != nil {
				return errors.Join(err, c.Close(ctx))
			}
			fmt.Println(r.Key, r.Value)
			n++
		}
		return c.Close(ctx)
	})
	// Output:
	// k HELLO
	// k WEIR
}

// A process ends after it has finished the records that it has read.
func ExampleApp_Drain() {
	onKafka(func(ctx context.Context, app *runtime.App) error {
		ended := make(chan error, 1)
		go func() { ended <- app.Run(context.Background()) }()

		patience, cancel := context.WithTimeout(ctx, 50*time.Second)
		defer cancel()
		err := app.Drain(patience)
		var unfinished *runtime.DrainError
		if errors.As(err, &unfinished) {
			fmt.Println("left:", unfinished.Left)
		}
		fmt.Println("state:", app.Status().State)
		return errors.Join(err, <-ended)
	})
	// Output:
	// state: stopped
}

// An application begins again: first the plan, then the deed.
func ExampleApp_Reset() {
	onKafka(func(ctx context.Context, app *runtime.App) error {
		if err := sendLines(ctx, app, "a", "b"); err != nil {
			return err
		}
		if err := app.RunUntil(ctx, runtime.Until{Outputs: 2}); err != nil {
			return err
		}
		plan, err := app.Reset(ctx, runtime.ResetOptions{DryRun: true})
		if err != nil {
			return err
		}
		for _, o := range plan.Offsets {
			fmt.Printf("%s[%d]: %d becomes %d\n", o.Topic, o.Partition, o.From, o.To)
		}
		_, err = app.Reset(ctx, runtime.ResetOptions{})
		return err
	})
	// Output:
	// lines[0]: 2 becomes 0
}

// A topic stands still while something behind it is repaired.
func ExampleApp_Pause() {
	onKafka(func(ctx context.Context, app *runtime.App) error {
		if err := app.Pause(ctx, runtime.Scope{Topic: "lines"}, "the table behind the sink is rebuilt"); err != nil {
			return err
		}
		fmt.Println("paused:", app.Status().Paused[0].Reason)
		err := app.Resume(runtime.Scope{Topic: "lines"})
		fmt.Println("pauses:", len(app.Status().Paused))
		return err
	})
	// Output:
	// paused: the table behind the sink is rebuilt
	// pauses: 0
}
