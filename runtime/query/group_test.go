package query_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/runtime/query"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/window"
)

const patience = 60 * time.Second

// await waits until a condition holds.
func await(t testing.TB, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// shop is a topology with a store of each kind. Each record of orders is the price of an item that a customer has bought, and its value is the item.
type shop struct {
	kafka  *kafkatest.Kafka
	orders stream.Topic[string, string]
	names  stream.Topic[string, string]
	group  string

	bought   *store.CellHandle[int]
	items    *store.MapHandle[string, int]
	history  *store.VersionedHandle[string]
	minute   window.Definition
	counting window.Aggregator[string, int64, int64]
}

func newShop(t testing.TB, partitions int32) *shop {
	k := kafkatest.Start(t)
	return &shop{
		kafka: k, group: k.Name("shop"),
		orders:  stream.NewTopic(k.Topic(t, "orders", partitions), codec.String(), codec.String()),
		names:   stream.NewTopic(k.Topic(t, "names", partitions), codec.String(), codec.String()),
		bought:  store.NewCell[int]("bought"),
		items:   store.NewMap[string, int]("items"),
		history: store.NewVersioned[string]("history", 24*time.Hour),
		minute:  window.Tumbling(time.Minute), counting: window.Count[string](),
	}
}

func (s *shop) topology() *stream.Topology {
	t := stream.NewTopology()
	orders := t.From(s.orders)
	stores := store.Group(func(o *store.Opener) *opened {
		return &opened{o.Open(s.bought), o.Open(s.items), o.Open(s.history)}
	})
	orders.MapStateRecord(stores, func(_ context.Context, o *opened, r weir.Record[string, string]) (string, error) {
		n, _ := o.bought.Get()
		o.bought.Set(n + 1)
		of, _ := o.items.Get(r.Value)
		o.items.Set(r.Value, of+1)
		o.history.Put(r.Value, r.Time())
		return r.Value, nil
	})
	orders.Window(s.minute).Aggregate(s.counting).Final().To(stream.NewTopic(s.group+"-counts", codec.String(), codec.JSON[window.Result[int64]]()))
	t.Table(s.names).To(stream.NewTopic(s.group+"-copy", codec.String(), codec.String()))
	return t
}

type opened struct {
	bought  *store.Cell[int]
	items   *store.Map[string, int]
	history *store.Versioned[string]
}

// stores are the stores as queries see them.
func (s *shop) cells() query.Store[string, query.None, int] {
	return query.Cells(s.bought, s.orders.KeyCodec())
}

func (s *shop) maps() query.Store[string, string, int] {
	return query.Maps(s.items, s.orders.KeyCodec())
}

func (s *shop) versions() query.Store[string, time.Time, query.Version[string]] {
	return query.Versions(s.history, s.orders.KeyCodec())
}

func (s *shop) windows() query.Store[string, time.Time, window.Result[int64]] {
	return query.Windows(s.minute, s.counting, s.orders.KeyCodec())
}

func (s *shop) published() []query.Published {
	return []query.Published{s.cells(), s.maps(), s.versions(), s.windows(), query.Rows(s.names)}
}

// begin is the time of the first record.
var begin = time.Now().Truncate(time.Minute)

// write writes n orders for each of some customers, and returns a position behind them.
func (s *shop) write(t testing.TB, topic stream.Topic[string, string], records ...weir.Record[string, string]) {
	t.Helper()
	p, err := kafka.NewProducer(t.Context(), kafka.Config{Connection: kafka.Connection{Brokers: s.kafka.Brokers}}, kafka.ProducerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := errors.Join(p.Send(t.Context(), topic, records...), p.Flush(t.Context())); err != nil {
		t.Fatal(err)
	}
}

func order(customer, item string, after time.Duration) weir.Record[string, string] {
	return weir.Record[string, string]{Key: customer, Value: item, Millis: begin.Add(after).UnixMilli()}
}

// member is an App with a query service.
type member struct {
	*query.Service
	app  *runtime.App
	url  string
	stop func()
}

// start starts a member. It may be stopped before the test ends.
func (s *shop) start(t testing.TB, options query.ServiceOptions, change func(*runtime.Config)) *member {
	t.Helper()
	m := &member{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.StripPrefix("/query", m.Service).ServeHTTP(w, r)
	}))
	m.url = server.URL + "/query"
	config := runtime.Config{
		Connection: kafka.Connection{Brokers: s.kafka.Brokers}, Group: s.group, State: runtime.StateConfig{Dir: t.TempDir()},
		Checkpoint:    runtime.CheckpointConfig{Interval: 20 * time.Millisecond},
		Membership:    runtime.MembershipConfig{Endpoint: m.url, SessionTimeout: s.kafka.SessionTimeout()},
		Topics:        runtime.TopicConfig{Create: true},
		IgnoreSignals: true, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	if change != nil {
		change(&config)
	}
	var err error
	if m.app, err = runtime.New(s.topology(), config); err != nil {
		t.Fatal(err)
	}
	if options.Stores == nil {
		options.Stores = s.published()
	}
	transport := &http.Transport{}
	options.Client = &http.Client{Transport: transport}
	if m.Service, err = query.NewService(m.app, options); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() {
		if err := m.app.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	m.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		server.Close()
		transport.CloseIdleConnections()
	})
	t.Cleanup(m.stop)
	return m
}

// settled reports whether all members have tasks, all of which are restored.
func settled(tasks int, members ...*member) bool {
	n := 0
	for _, m := range members {
		open := m.app.Status().Tasks
		if len(open) == 0 {
			return false
		}
		for _, task := range open {
			if task.Restoring {
				return false
			}
			n++
		}
	}
	return n == tasks
}

// passing reports whether an error is one of those that pass by themselves.
func passing(err error) bool {
	return errors.Is(err, weir.ErrMoved) || errors.Is(err, weir.ErrRestoring) || errors.Is(err, weir.ErrBehind) ||
		errors.Is(err, weir.ErrNotOwner) || errors.Is(err, weir.ErrUnavailable)
}

// Every member, and a program that is none, finds every key, while members come and go and orders come in. No answer goes back behind a
// position that was asked for.
func TestEveryMemberAnswersForTheGroupWhileItRebalances(t *testing.T) {
	t.Parallel()
	s := newShop(t, 6)
	const customers = 20
	var records []weir.Record[string, string]
	for i := range customers {
		for n := range i + 1 {
			records = append(records, order(fmt.Sprint("c", i), fmt.Sprint("item", n%3), time.Duration(n)*time.Second))
		}
	}
	s.write(t, s.orders, records...)
	members := []*member{s.start(t, query.ServiceOptions{}, nil)}
	client := func(m *member) query.Source {
		transport := &http.Transport{}
		t.Cleanup(transport.CloseIdleConnections)
		c, err := query.NewClient(query.ClientOptions{Endpoints: []string{m.url}, HTTP: &http.Client{Transport: transport}})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	all := func(from query.Source) (map[string]int, error) {
		found := map[string]int{}
		for row, err := range query.All(t.Context(), from, s.cells(), query.Span[string]{}, query.Options{Limit: 3}) {
			if err != nil {
				return nil, err
			}
			found[row.Key] = row.Value
		}
		return found, nil
	}
	want := map[string]int{}
	for i := range customers {
		want[fmt.Sprint("c", i)] = i + 1
	}
	complete := func(from query.Source) func() bool {
		return func() bool {
			found, err := all(from)
			if err != nil && !passing(err) {
				t.Fatal(err)
			}
			return maps.Equal(found, want)
		}
	}
	await(t, "one member answers for all", complete(members[0]))

	// Queries go on while two members come and one of them goes. A count never falls, as no query sees what a rewind undoes.
	ctx, cancel := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	for i := range 4 {
		asking.Go(func() {
			least := map[string]int{}
			for n := 0; ctx.Err() == nil; n++ {
				key := fmt.Sprint("c", (n+i)%customers)
				a, err := query.Get(ctx, members[0], s.cells(), key, query.Options{})
				switch {
				case ctx.Err() != nil || err != nil && passing(err):
				case err != nil:
					t.Errorf("%s: %v", key, err)
					return
				case !a.Found || a.Value < least[key] || a.Value < want[key]:
					t.Errorf("%s has %d after %d", key, a.Value, least[key])
					return
				default:
					least[key] = a.Value
				}
			}
		})
	}
	second := s.start(t, query.ServiceOptions{}, nil)
	third := s.start(t, query.ServiceOptions{}, nil)
	await(t, "three members share the work", func() bool { return settled(12, members[0], second, third) })
	for i, m := range []*member{members[0], second, third} {
		await(t, fmt.Sprintf("member %d answers for all", i), complete(m))
		await(t, fmt.Sprintf("a client of member %d", i), complete(client(m)))
		if _, err := all(query.Local(m.app)); !errors.Is(err, weir.ErrNotOwner) {
			t.Errorf("member %d has everything itself: %v", i, err)
		}
	}
	second.stop()
	await(t, "two members share the work", func() bool { return settled(12, members[0], third) })
	cancel()
	asking.Wait()
	await(t, "the rest answers for all", complete(third))
	if _, err := all(client(second)); !errors.Is(err, weir.ErrUnavailable) {
		t.Errorf("a member that is gone: %v", err)
	}
	if _, err := query.Get(t.Context(), query.Local(second.app), s.cells(), "c1", query.Options{}); err == nil {
		t.Error("an App that has ended still answers")
	}
}

func TestReadsOfEachKindOfStore(t *testing.T) {
	t.Parallel()
	s := newShop(t, 1)
	s.write(t, s.orders, order("ann", "tea", 0), order("ann", "milk", time.Second), order("ann", "tea", 2*time.Second), order("bob", "tea", 3*time.Second),
		order("ann", "tea", 61*time.Second), order("anna", "jam", 62*time.Second))
	s.write(t, s.names, order("ann", "Ann Smith", 0), order("bob", "Bob Jones", 0))
	m := s.start(t, query.ServiceOptions{}, nil)
	ctx, local := t.Context(), query.Local(m.app)
	behind := query.Position{}
	behind.Written(s.orders.Name(), 0, 5)
	options := query.Options{AtLeast: behind}
	await(t, "the orders are processed", func() bool {
		_, err := query.Get(ctx, local, s.cells(), "ann", options)
		if err != nil && !passing(err) {
			t.Fatal(err)
		}
		return err == nil
	})
	await(t, "the names are processed", func() bool {
		a, err := query.Get(ctx, local, query.Rows(s.names), "bob", query.Options{})
		return err == nil && a.Value == "Bob Jones"
	})

	one, err := query.Get(ctx, local, s.cells(), "ann", options)
	if err != nil || !one.Found || one.Value != 4 || one.Partition != 0 || one.Position[s.orders.Name()] != 6 {
		t.Errorf("ann: %+v %v", one, err)
	}
	if none, err := query.Get(ctx, local, s.cells(), "nobody", options); err != nil || none.Found {
		t.Errorf("nobody: %+v %v", none, err)
	}
	type pair struct {
		Key, Field string
		Value      int
	}
	check := func(what string, want []pair, page query.Page[string, query.None, int], err error) {
		t.Helper()
		var got []pair
		for _, r := range page.Rows {
			got = append(got, pair{r.Key, "", r.Value})
		}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", what, err, diff)
		}
	}
	page, err := query.Scan(ctx, local, s.cells(), query.Span[string]{Prefix: "an"}, options)
	check("prefix", []pair{{"ann", "", 4}, {"anna", "", 1}}, page, err)
	page, err = query.Scan(ctx, local, s.cells(), query.Span[string]{From: new("anna"), To: new("bob")}, options)
	check("range", []pair{{"anna", "", 1}}, page, err)
	page, err = query.Scan(ctx, local, s.cells(), query.Span[string]{}, query.Options{Limit: 2})
	check("first page", []pair{{"ann", "", 4}, {"anna", "", 1}}, page, err)
	page, err = query.Scan(ctx, local, s.cells(), query.Span[string]{}, query.Options{Limit: 2, After: page.Next})
	check("second page", []pair{{"bob", "", 1}}, page, err)
	if page.Next != "" {
		t.Errorf("there is a third page: %q", page.Next)
	}

	fields, err := query.Fields(ctx, local, s.maps(), "ann", query.Span[string]{}, options)
	if diff := cmp.Diff([]query.Row[string, string, int]{{"ann", "milk", 1}, {"ann", "tea", 3}}, fields.Rows); diff != "" || err != nil {
		t.Errorf("fields: %v\n%s", err, diff)
	}
	if tea, err := query.Field(ctx, local, s.maps(), "ann", "tea", options); err != nil || tea.Value != 3 {
		t.Errorf("tea: %+v %v", tea, err)
	}
	if _, err := query.Scan(ctx, local, s.maps(), query.Span[string]{Prefix: "a"}, options); !errors.Is(err, weir.ErrConfiguration) {
		t.Errorf("a span of keys of a map: %v", err)
	}
	versions, err := query.Fields(ctx, local, s.versions(), "ann", query.Span[time.Time]{From: new(begin.Add(1500 * time.Millisecond))}, query.Options{Limit: 1})
	if err != nil || len(versions.Rows) != 1 || versions.Rows[0].Value.State != "milk" || !versions.Rows[0].Field.Equal(begin.Add(time.Second)) {
		t.Errorf("the version at 1.5 s: %+v %v", versions, err)
	}
	windows, err := query.Fields(ctx, local, s.windows(), "ann", query.Span[time.Time]{}, options)
	wantWindow := window.Result[int64]{StartMillis: begin.Add(time.Minute).UnixMilli(), EndMillis: begin.Add(2 * time.Minute).UnixMilli(), Value: 1}
	if err != nil || len(windows.Rows) != 1 || windows.Rows[0].Value != wantWindow {
		t.Errorf("windows: %+v %v", windows, err)
	}
	first, err := query.Field(ctx, local, s.windows(), "bob", begin, options)
	if err != nil || first.Value.Value != 1 {
		t.Errorf("the window of bob, who has bought nothing since: %+v %v", first, err)
	}

	behind.Written(s.orders.Name(), 0, 6)
	if _, err := query.Get(ctx, local, s.cells(), "ann", query.Options{AtLeast: behind}); !errors.Is(err, weir.ErrBehind) {
		t.Errorf("a position that was not reached: %v", err)
	}
	for what, options := range map[string]query.Options{
		"a position elsewhere": {AtLeast: query.Position{"other": {0: 1}}}, "a partition": {Partition: new(int32(1))}, "a limit": {Limit: -1}, "a cursor": {After: "?"},
	} {
		if _, err := query.Scan(ctx, local, s.cells(), query.Span[string]{}, options); !errors.Is(err, weir.ErrConfiguration) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := query.Get(ctx, local, query.Cells(store.NewCell[int]("other"), codec.String()), "ann", options); !errors.Is(err, weir.ErrUnknownStore) {
		t.Errorf("another store: %v", err)
	}
}
