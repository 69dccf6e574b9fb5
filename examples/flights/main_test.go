package main

import (
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/examples/internal/localtest"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
)

func TestMain(m *testing.M) {
	if text := os.Getenv(memberVariable); text != "" {
		os.Exit(runMember(text))
	}
	kafkatest.VerifyTestMain(m)
}

func TestThePictureOfTheDocumentation(t *testing.T) {
	localtest.Picture(t, "flights", Topology(NewTopics("flights", 4), nil, nil))
}

// reference is what a plain loop makes of flights: what the pipeline must come to.
type reference struct {
	totals map[string][]Delays // by airport, after each flight
	hours  map[string]map[int64]Delays
	open   map[string]map[int64]openHour
	latest map[string]int64
}

// openHour is an hour that no later flight has closed.
type openHour struct {
	Delays Delays
	Latest int64 // event time, in milliseconds
}

const hour = int64(time.Hour / time.Millisecond)

func newReference() *reference {
	return &reference{
		totals: map[string][]Delays{}, hours: map[string]map[int64]Delays{},
		open: map[string]map[int64]openHour{}, latest: map[string]int64{},
	}
}

// add counts a flight, in the order of its airport.
func (r *reference) add(f Flight, millis int64) {
	var total Delays
	if so := r.totals[f.Origin]; len(so) > 0 {
		total = so[len(so)-1]
	}
	total.Add(f)
	r.totals[f.Origin] = append(r.totals[f.Origin], total)

	if r.open[f.Origin] == nil {
		r.open[f.Origin], r.hours[f.Origin] = map[int64]openHour{}, map[int64]Delays{}
	}
	begin := millis - millis%hour
	if begin+hour <= r.latest[f.Origin] {
		return // late
	}
	r.latest[f.Origin] = max(r.latest[f.Origin], millis)
	h := r.open[f.Origin][begin]
	h.Delays.Add(f)
	h.Latest = max(h.Latest, millis)
	r.open[f.Origin][begin] = h
	for begin, h := range r.open[f.Origin] {
		if begin+hour <= r.latest[f.Origin] {
			r.hours[f.Origin][begin] = h.Delays
			delete(r.open[f.Origin], begin)
		}
	}
}

func (r *reference) closed() (n int) {
	for _, hours := range r.hours {
		n += len(hours)
	}
	return n
}

func (r *reference) last(airport string) Delays {
	return r.totals[airport][len(r.totals[airport])-1]
}

func logger(t testing.TB) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }

// The numbers of the example are those of a loop over its file.
func TestTheExampleAgreesWithALoopOverItsFile(t *testing.T) {
	kafkatest.Parallel(t)
	k := kafkatest.Start(t)
	name := k.Name("flights")
	config := runtime.Config{
		Connection: kafka.Connection{Brokers: k.Brokers}, Group: name,
		State: runtime.StateConfig{Dir: t.TempDir()}, Topics: runtime.TopicConfig{Create: true}, IgnoreSignals: true, Logger: logger(t),
	}
	summary, err := pipeline(t.Context(), io.Discard, name, config)
	if err != nil {
		t.Fatal(err)
	}
	flights, err := readFlights()
	if err != nil {
		t.Fatal(err)
	}
	want := newReference()
	for _, f := range flights {
		departure, err := f.departure()
		if err != nil {
			t.Fatal(err)
		}
		want.add(f, departure.UnixMilli())
	}

	client, err := sarama.NewClient(k.Brokers, clientConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	topics := NewTopics(name, 4)
	got := map[string][]Delays{}
	if err := readTopic(client, topics.Totals, func(airport string, d Delays) { got[airport] = append(got[airport], d) }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.totals, got); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
	hours := map[string]map[int64]Delays{}
	for airport := range want.hours {
		hours[airport] = map[int64]Delays{}
	}
	written := 0
	err = readTopic(client, topics.Hours, func(airport string, r window.Result[Delays]) {
		written++
		hours[airport][r.StartMillis] = r.Value
		if r.EndMillis != r.StartMillis+hour {
			t.Errorf("%s: an hour from %d to %d", airport, r.StartMillis, r.EndMillis)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.hours, hours); diff != "" {
		t.Errorf("hours (-want +got):\n%s", diff)
	}
	if written != want.closed() {
		t.Errorf("%d hours written, want %d", written, want.closed())
	}
	if summary.in != len(flights) || summary.out != len(flights)+want.closed() || len(summary.hours) != want.closed() {
		t.Errorf("summary: %d in, %d out, %d hours; want %d in, %d hours", summary.in, summary.out, len(summary.hours),
			len(flights), want.closed())
	}
}

func TestFlightsWithoutOriginOrDateAreDropped(t *testing.T) {
	topics := NewTopics("flights", 2)
	var read, grouped int
	d := testkit.New(t, Topology(topics, func(Flight) { read++ }, func(Flight) { grouped++ }), testkit.Config{})
	at := time.Date(2001, 1, 1, 6, 0, 0, 0, time.UTC)
	flight := func(minutes int, f Flight) testkit.Record[string, Flight] {
		return testkit.Record[string, Flight]{Key: "CA", Value: f, Time: at.Add(time.Duration(minutes) * time.Minute)}
	}
	nothing := flight(4, Flight{})
	nothing.ValueNull = true
	d.Input(topics.Flights).SendRecords(
		flight(0, Flight{Date: "2001/01/01 06:00", Origin: "SFO", Delay: 10}),
		flight(1, Flight{Date: "2001/01/01 06:01", Origin: "", Delay: 1000}),
		flight(2, Flight{Date: "", Origin: "SFO", Delay: 1000}),
		flight(3, Flight{}),
		nothing,
		flight(5, Flight{Date: "2001/01/01 06:05", Origin: "SFO", Delay: -4}),
		flight(60, Flight{Date: "2001/01/01 07:00", Origin: "SFO", Delay: 5}), // closes the hour before
		flight(90, Flight{Date: "2001/01/01 07:30", Origin: "LAX", Delay: 7}), // closes none: it is another airport's
	)
	d.Checkpoint()
	d.Advance(time.Second)
	if read != 8 || grouped != 4 {
		t.Errorf("%d flights read and %d grouped, want 8 and 4", read, grouped)
	}
	got := map[string][]Delays{}
	for _, r := range d.Output(topics.Totals).Read() {
		got[r.Key] = append(got[r.Key], r.Value)
	}
	want := map[string][]Delays{
		"SFO": {
			{Flights: 1, Sum: 10, Mean: 10, Max: 10},
			{Flights: 2, Sum: 6, Mean: 3, Max: 10},
			{Flights: 3, Sum: 11, Mean: 11. / 3, Max: 10},
		},
		"LAX": {{Flights: 1, Sum: 7, Mean: 7, Max: 7}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
	d.Output(topics.Hours).Expect(testkit.Record[string, window.Result[Delays]]{
		Key: "SFO", Time: at, Value: window.Result[Delays]{
			StartMillis: at.UnixMilli(), EndMillis: at.UnixMilli() + hour, Value: Delays{Flights: 2, Sum: 6, Mean: 3, Max: 10},
		},
	})
}
