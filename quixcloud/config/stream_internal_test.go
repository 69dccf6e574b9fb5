package config

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

var (
	readings = stream.NewTopic("readings", codec.String(), codec.Int64())
	judged   = stream.NewTopic("judged", codec.String(), codec.String())
)

// judge puts readings beside the limit of their device at their time.
func judge(readings stream.Stream[string, int64], limits join.Lookup[Query, row.Row]) stream.Stream[string, string] {
	return readings.JoinLookupRecord(limits, func(_ context.Context, r weir.Record[string, int64]) (Query, error) {
		return Query{Type: "limits", TargetKey: r.Key, Time: r.Time()}, nil
	}, func(_ context.Context, r weir.Record[string, int64], limits row.Row) (string, error) {
		return fmt.Sprint(r.Value, " of ", limits), nil
	})
}

func judging(limits join.Lookup[Query, row.Row]) *stream.Topology {
	t := stream.NewTopology()
	judge(t.From(readings), limits).To(judged)
	return t
}

// five are readings of one device.
func five() []testkit.Record[string, int64] {
	records := make([]testkit.Record[string, int64], 5)
	for i := range records {
		records[i] = testkit.Record[string, int64]{Key: "dev1", Value: int64(i), Time: time.Unix(100+int64(i), 0)}
	}
	return records
}

func judgedFive(limit int) []string {
	values := make([]string, 5)
	for i := range values {
		values[i] = fmt.Sprintf(`%d of {"max":%d}`, i, limit)
	}
	return values
}

// hang makes the server accept requests and never answer them.
func (s *service) hang() {
	block := make(chan struct{})
	s.set(func() { s.block = block })
	s.t.Cleanup(func() { close(block) })
}

// Each record gets the version that is valid at its time, and what is published meanwhile counts from then on.
func TestAStreamWithConfigurations(t *testing.T) {
	s := newService(t, 2)
	s.publish("limits", "dev1", 1, 100, `{"max":1}`)
	s.publish("limits", "dev1", 2, 103, `{"max":2}`)
	s.publish("limits", "*", 1, 0, `{"max":9}`)
	c := s.open(s.config())
	d := testkit.New(t, judging(fields(t, c, JSON("max", "", "$.max").Default(-1))), testkit.Config{})
	in, out := d.Input(readings), d.Output(judged)
	in.SendRecords(append(five(),
		testkit.Record[string, int64]{Key: "dev2", Value: 5, Time: time.Unix(1, 0)},
		testkit.Record[string, int64]{Key: "dev1", Value: 6, Time: time.Unix(99, 0)},
	)...)
	out.ExpectValues(`0 of {"max":1}`, `1 of {"max":1}`, `2 of {"max":1}`, `3 of {"max":2}`, `4 of {"max":2}`,
		`5 of {"max":9}`, `6 of {"max":-1}`)

	s.publish("limits", "dev1", 3, 0, `{"max":3}`)
	await(t, "the new version", func() bool { return c.Status().Records == 4 })
	in.Send("dev1", 7, time.Unix(99, 0))
	out.ExpectValues(`7 of {"max":3}`)
	d.Restart()
	in.Send("dev1", 8, time.Unix(99, 0))
	out.ExpectValues(`8 of {"max":3}`)
}

// L-37: keys that are bytes are taken as text.
func TestAStreamWithKeysOfBytes(t *testing.T) {
	s := newService(t, 1)
	s.publish("limits", "gerät 1", 1, 0, `{"max":1}`)
	c := s.open(s.config())
	readings := stream.NewTopic("readings", codec.Bytes(), codec.Int64())
	judged := stream.NewTopic("judged", codec.Bytes(), codec.String())
	topology := stream.NewTopology()
	topology.From(readings).JoinLookupRecord(fields(t, c, JSON("max", "limits", "$.max")), func(_ context.Context, r weir.Record[[]byte, int64]) (Query, error) {
		return Query{TargetKey: string(r.Key), Time: r.Time()}, nil
	}, func(_ context.Context, r weir.Record[[]byte, int64], limits row.Row) (string, error) {
		return fmt.Sprint(r.Value, " of ", limits), nil
	}).To(judged)
	d := testkit.New(t, topology, testkit.Config{})
	d.Input(readings).Send([]byte("gerät 1"), 7, time.Unix(1, 0))
	d.Output(judged).ExpectValues(`7 of {"max":1}`)
}

// Contents that are decoded: a record that no version is valid for is left out.
func TestAStreamWithContents(t *testing.T) {
	s := newService(t, 1)
	s.publish("limits", "dev1", 1, 102, `{"Max":7}`)
	c := s.open(s.config())
	topology := stream.NewTopology()
	topology.From(readings).JoinLookupRecord(c.Contents(codec.JSON[limits]()), func(_ context.Context, r weir.Record[string, int64]) (Query, error) {
		return Query{Type: "limits", TargetKey: r.Key, Time: r.Time()}, nil
	}, func(_ context.Context, r weir.Record[string, int64], l limits) (string, error) {
		return fmt.Sprint(r.Value, " of ", l.Max), nil
	}).To(judged)
	d := testkit.New(t, topology, testkit.Config{})
	d.Input(readings).SendRecords(five()...)
	d.Output(judged).ExpectValues("2 of 7", "3 of 7", "4 of 7")
}

// A server that hangs fails the records that need it, and stops nobody: others go on, and so do these when it is back.
func TestAStreamWhoseServerHangs(t *testing.T) {
	s := newService(t, 1)
	s.publish("limits", "dev1", 1, 0, `{"max":1}`)
	s.publish("limits", "dev2", 1, 0, `{"max":2}`)
	now := &clock{}
	now.set(1000)
	config := s.config()
	config.RequestTimeout, config.now = 300*time.Millisecond, now.Now
	c := s.open(config)
	limit := fields(t, c, JSON("max", "", "$.max"))
	ask(t, limit, query("dev2", 1))
	s.hang()
	requests := s.asked()

	d := testkit.New(t, judging(limit), testkit.Config{Errors: weir.ErrorPolicy{Action: weir.Skip}})
	in, out := d.Input(readings), d.Output(judged)
	in.SendRecords(append(five(), testkit.Record[string, int64]{Key: "dev2", Value: 5, Time: time.Unix(200, 0)})...)
	out.ExpectValues(`5 of {"max":2}`)
	if n := d.Tasks()[0].Skipped; n != 5 {
		t.Errorf("%d records were skipped, want 5", n)
	}
	if n := s.asked() - requests; n != 1 {
		t.Errorf("%d requests, want 1: the pause holds for all records", n)
	}
	s.set(func() { s.block = nil })
	now.set(1010)
	in.SendRecords(five()...)
	out.ExpectValues(judgedFive(1)...)
}

// Without a policy that skips, a server that hangs ends the application, with an error that says so.
func TestAStreamThatFailsWithAServerThatHangs(t *testing.T) {
	s := newService(t, 1)
	s.publish("limits", "dev1", 1, 0, `{"max":1}`)
	config := s.config()
	config.RequestTimeout = 300 * time.Millisecond
	c := s.open(config)
	s.hang()
	d := testkit.New(t, judging(fields(t, c, JSON("max", "", "$.max"))), testkit.Config{})
	err := d.Input(readings).TrySendRecords(five()...)
	if !errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), "no answer within 300ms") || !strings.Contains(err.Error(), s.http.URL) {
		t.Errorf("got %v", err)
	}
}

// With FallbackDefault nothing fails.
func TestAStreamWithDefaultsWhileTheServerHangs(t *testing.T) {
	s := newService(t, 1)
	s.publish("limits", "dev1", 1, 0, `{"max":1}`)
	config := s.config()
	config.RequestTimeout, config.Fallback = 300*time.Millisecond, FallbackDefault
	c := s.open(config)
	s.hang()
	d := testkit.New(t, judging(fields(t, c, JSON("max", "", "$.max").Default(0))), testkit.Config{})
	d.Input(readings).SendRecords(five()...)
	d.Output(judged).ExpectValues(judgedFive(0)...)
}

// L-32, D-J8: while the topic is out of reach for too long, the worker waits: no record is lost, whatever the policy says.
func TestAStreamWhoseTopicIsAway(t *testing.T) {
	kafkatest.Parallel(t)
	s := newService(t, 1)
	s.publish("limits", "dev1", 1, 0, `{"max":1}`)
	proxy := s.kafka.StartProxy(t)
	config := s.config()
	config.BrokerTimeout, config.Connection.Sarama = time.Second, proxy.Detour().Take
	c := s.open(config)
	limit := fields(t, c, JSON("max", "", "$.max"))
	d := testkit.New(t, judging(limit), testkit.Config{Errors: weir.ErrorPolicy{Action: weir.Skip}})
	in, out := d.Input(readings), d.Output(judged)
	proxy.Block(true)
	await(t, "lookups to fail", func() bool { _, err := try(t, limit, query("dev1", 1)); return errors.Is(err, ErrStale) })
	in.SendRecords(five()...)
	d.Advance(5 * time.Second)
	out.ExpectValues()
	s.publish("limits", "dev1", 2, 0, `{"max":2}`)
	proxy.Block(false)
	await(t, "what was published meanwhile", func() bool { return c.Err() == nil && c.Status().Versions == 2 })
	d.Advance(5 * time.Second)
	out.ExpectValues(judgedFive(2)...)
	if n := d.Tasks()[0].Skipped; n != 0 {
		t.Errorf("%d records were skipped", n)
	}
}

// Configurations that were closed too early are a mistake of the program: the worker ends, and skips nothing.
func TestAStreamWhoseConfigurationsWereClosed(t *testing.T) {
	s := newService(t, 1)
	s.publish("limits", "dev1", 1, 0, `{"max":1}`)
	config := s.config()
	config.Fallback = FallbackDefault
	c := s.open(config)
	for name, limit := range map[string]join.Lookup[Query, row.Row]{
		"fields": fields(t, c, JSON("max", "", "$.max").Default(0)),
		"contents": join.LookupFunc[Query, row.Row](func(ctx context.Context, queries []Query, found []*row.Row) error {
			return c.Contents(codec.For[row.Row]()).Lookup(ctx, queries, found)
		}),
	} {
		t.Run(name, func(t *testing.T) {
			d := testkit.New(t, judging(limit), testkit.Config{Errors: weir.ErrorPolicy{Action: weir.Skip}})
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			if err := d.Input(readings).TrySendRecords(five()...); !errors.Is(err, ErrClosed) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// On a broker: an application that is stopped and started goes on, with the configurations of its time. A server that
// fails for a while costs the records of that while.
func TestAnApplicationWithConfigurations(t *testing.T) {
	kafkatest.Parallel(t)
	s := newService(t, 2)
	readings := stream.NewTopic(s.kafka.Topic(t, "readings", 2), codec.String(), codec.Int64())
	judged := stream.NewTopic(s.kafka.Topic(t, "judged", 1), codec.String(), codec.String())
	group, state := s.kafka.Name("group"), t.TempDir()
	session := func(values []int64, skipped int, want ...string) {
		t.Helper()
		config := s.config()
		config.RequestTimeout = 300 * time.Millisecond
		c, err := Open(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		var kept stream.Collector[string, string]
		topology := stream.NewTopology()
		judge(topology.From(readings), fields(t, c, JSON("max", "", "$.max"))).Collect(&kept).To(judged)
		failed := 0
		app, err := runtime.New(topology, runtime.Config{
			Connection: kafka.Connection{Brokers: s.kafka.Brokers}, Group: group,
			State: runtime.StateConfig{Dir: state}, Workers: 1, IgnoreSignals: true,
			Logger: slog.New(slog.DiscardHandler),
			Errors: weir.ErrorPolicy{Decide: func(e *weir.FailedRecord) weir.ErrorAction {
				if errors.Is(e, ErrTimeout) {
					failed++
				}
				return weir.Skip
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		p, err := app.Producer(ctx, kafka.ProducerOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			err = errors.Join(err, p.Send(ctx, readings, weir.Record[string, int64]{Key: "dev1", Value: v, Millis: time.Now().UnixMilli()}))
		}
		if err := errors.Join(err, p.Flush(ctx), p.Close()); err != nil {
			t.Fatal(err)
		}
		if err := app.RunUntil(ctx, runtime.Until{Idle: 500 * time.Millisecond}); err != nil {
			t.Fatal(err)
		}
		if got := kept.Values(); !slices.Equal(got, want) || failed != skipped {
			t.Errorf("got  %q, skipped %d\nwant %q, skipped %d", got, failed, want, skipped)
		}
	}
	s.publish("limits", "dev1", 1, 0, `{"max":1}`)
	session([]int64{1, 2}, 0, `1 of {"max":1}`, `2 of {"max":1}`)
	s.publish("limits", "dev1", 2, 0, `{"max":2}`)
	session([]int64{3}, 0, `3 of {"max":2}`)
	s.hang()
	session([]int64{4, 5}, 2)
	s.set(func() { s.block = nil })
	session([]int64{6}, 0, `6 of {"max":2}`)
}
