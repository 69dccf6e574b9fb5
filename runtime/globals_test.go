package runtime_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/stream"
)

// catalogue joins numbers with the rows whose key they are: of a topic that is a global table.
type catalogue struct {
	rows, input, output string
	value               codec.Codec[string] // of the rows
	partitions          int32               // of rows, if it is made
}

func (k *testCluster) newCatalogue(t testing.TB, partitions int32) catalogue {
	return catalogue{
		rows: k.Topic(t, "rows", 3), input: k.Topic(t, "in", partitions), output: k.Topic(t, "out", partitions), value: codec.String(),
	}
}

func (c catalogue) topology() *stream.Topology {
	t := stream.NewTopology()
	table := t.GlobalTable(stream.NewTopic(c.rows, codec.String(), c.value).WithPartitions(c.partitions))
	t.From(stream.NewTopic(c.input, codec.String(), codec.String())).
		LeftJoinGlobal(table, func(n string) string { return n }, func(n string, row *string) string {
			if row == nil {
				return n + " nothing"
			}
			return n + " " + *row
		}).
		To(stream.NewTopic(c.output, codec.String(), codec.String()))
	return t
}

// writeRows writes rows with these keys, each always to the same of three partitions.
func (k *testCluster) writeRows(c catalogue, from, to int, value string) {
	k.t.Helper()
	for p := range int32(3) {
		var records []broker.Record
		for n := from; n < to; n++ {
			if n%3 != int(p) {
				continue
			}
			r := raw(fmt.Sprint(n), fmt.Sprint(value, n))
			if value == "" {
				r.Value = nil
			}
			records = append(records, r)
		}
		if len(records) > 0 {
			k.write(c.rows, p, records...)
		}
	}
}

// ask writes numbers to the input, and returns the results once there are as many more.
func (k *testCluster) ask(c catalogue, partition int32, from, to int) map[string]bool {
	k.t.Helper()
	want := len(k.read(c.output)) + to - from
	var records []broker.Record
	for n := from; n < to; n++ {
		records = append(records, raw("k", fmt.Sprint(n)))
	}
	k.write(c.input, partition, records...)
	var got []broker.Record
	await(k.t, "the results", func() bool { got = k.read(c.output); return len(got) >= want })
	results := map[string]bool{}
	for _, r := range got[want-(to-from):] {
		results[string(r.Value)] = true
	}
	return results
}

func globalsLoaded(s runtime.Status) bool {
	return len(s.Globals) == 1 && !s.Globals[0].Loading && s.State == runtime.Running
}

func globalRows(n int64) func(runtime.Status) bool {
	return func(s runtime.Status) bool {
		return globalsLoaded(s) && s.Globals[0].Rows == n && s.Globals[0].Lag == 0
	}
}

// Whatever partitions it owns, each member has all rows, and has them before it processes the first record.
func TestEachMemberHasAllOfAGlobalTableBeforeItBegins(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	c := k.newCatalogue(t, 2)
	const n = 3000
	k.writeRows(c, 0, n, "row ")
	for p := range int32(2) { // the input is there before the members are
		var records []broker.Record
		for i := int(p); i < n; i += 2 {
			records = append(records, raw("k", fmt.Sprint(i)))
		}
		k.write(c.input, p, records...)
	}
	config := k.config()
	config.Checkpoint.Records, config.Checkpoint.Interval = 0, 200*time.Millisecond
	config.Workers = 2
	first := run(t, c.topology(), config)
	config.State.Dir = t.TempDir()
	second := run(t, c.topology(), config)
	var got []broker.Record
	await(t, "all results", func() bool { got = k.read(c.output); return len(got) >= n })
	for _, r := range got {
		if number, row, _ := strings.Cut(string(r.Value), " "); row != "row "+number {
			t.Fatalf("%s was joined with %q", number, row)
		}
	}
	for _, member := range []*running{first, second} {
		member.await("all rows", globalRows(n))
		if s := member.Status().Globals[0]; s.Topic != c.rows || s.Records != n || s.Bytes == 0 || s.Remaining != 0 || s.LoadRate != 0 {
			t.Errorf("status: %+v", s)
		}
	}
	// What is written later comes to both.
	k.writeRows(c, 0, 30, "")
	for _, member := range []*running{first, second} {
		member.await("fewer rows", globalRows(n-30))
	}
	first.stop()
	second.stop()
}

// A start finds the table as its topic has made it meanwhile.
func TestAGlobalTableIsReadAgainAfterARestart(t *testing.T) {
	kafkatest.Parallel(t)
	guarantees(t, func(t *testing.T, g runtime.Guarantee) {
		kafkatest.Parallel(t)
		k := newKafka(t)
		c := k.newCatalogue(t, 1)
		config := k.config()
		config.Guarantee, config.Checkpoint.Interval = g, 100*time.Millisecond
		k.writeRows(c, 0, 5, "old ")
		app := run(t, c.topology(), config)
		want := map[string]bool{"0 old 0": true, "1 old 1": true, "5 nothing": true}
		got := k.ask(c, 0, 0, 2)
		for v := range k.ask(c, 0, 5, 6) {
			got[v] = true
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("before (-want +got):\n%s", diff)
		}
		app.stop()
		k.writeRows(c, 0, 1, "")
		k.writeRows(c, 4, 7, "new ")
		app = run(t, c.topology(), config)
		want = map[string]bool{"0 nothing": true, "1 old 1": true, "2 old 2": true, "3 old 3": true, "4 new 4": true, "5 new 5": true, "6 new 6": true}
		if diff := cmp.Diff(want, k.ask(c, 0, 0, 7)); diff != "" {
			t.Errorf("after (-want +got):\n%s", diff)
		}
		app.stop()
	})
}

// Records of aborted transactions are no rows, and those of open ones hold nobody up.
func TestAGlobalTableOfTransactions(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	c := k.newCatalogue(t, 1)
	tp := broker.TopicPartition{Topic: c.rows}
	var producers []broker.Producer
	for i := range 3 {
		p, err := k.NewProducer(broker.ProducerConfig{TransactionalID: k.Name("id")})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		producers = append(producers, p)
		if err := p.Send(within(t), tp, []broker.Record{raw("1", fmt.Sprint("of ", i))}); err != nil {
			t.Fatal(err)
		}
		if err := p.Flush(within(t)); err != nil {
			t.Fatal(err)
		}
		switch i {
		case 0:
			err = p.Commit(within(t), broker.GroupMember{}, nil, nil)
		case 1:
			err = p.Abort(within(t))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	app := run(t, c.topology(), k.config())
	app.await("the row", globalRows(1))
	if got := k.ask(c, 0, 1, 2); !got["1 of 0"] {
		t.Errorf("got %v", got)
	}
	if err := producers[2].Commit(within(t), broker.GroupMember{}, nil, nil); err != nil {
		t.Fatal(err)
	}
	app.await("the second record", func(s runtime.Status) bool { return s.Globals[0].Records == 2 })
	if got := k.ask(c, 0, 1, 2); !got["1 of 2"] {
		t.Errorf("got %v", got)
	}
	app.stop()
}

// slowRows are rows that take as long to decode as a gate is shut.
func slowRows(g *gate) codec.Codec[string] {
	return passing{codec.String(), g}
}

type passing struct {
	codec.Codec[string]
	gate *gate
}

func (p passing) Decode(c *codec.Context, data []byte) (string, error) {
	p.gate.pass()
	return p.Codec.Decode(c, data)
}

// While the table is loaded the member has no part in the work, and can be stopped.
func TestAGlobalTableIsLoadedBeforeTheGroupIsJoined(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	c := k.newCatalogue(t, 1)
	k.writeRows(c, 0, 9, "row ")
	k.write(c.input, 0, raw("k", "1"))
	var g gate
	c.value = slowRows(&g)
	for _, stopped := range []bool{true, false} {
		g.close()
		app := run(t, c.topology(), k.config())
		g.awaitHeld(t)
		if s := app.Status(); s.State != runtime.Starting || len(s.Tasks) > 0 || len(s.Globals) != 1 || !s.Globals[0].Loading || s.Globals[0].Remaining != 9 {
			t.Errorf("status: %+v", s)
		}
		if stopped {
			app.cancel()
		}
		g.open()
		if !stopped {
			app.await("the record", func(s runtime.Status) bool { return processed(s) == 1 })
		}
		app.stop()
		if stopped && k.committed(c.input, 0) != 0 {
			t.Error("an application that was stopped while it started has processed something")
		}
	}
}

func TestRowsThatDoNotDecodeGoToTheErrorPolicy(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	c := k.newCatalogue(t, 1)
	c.value = codec.JSON[string]()
	k.write(c.rows, 1, raw("1", `"one"`), raw("2", `two`), raw("1", `eins`), broker.Record{Value: []byte(`"x"`), Millis: now})
	config := k.config()
	err := run(t, c.topology(), config).failure()
	var failed *weir.ProcessingError
	if !errors.As(err, &failed) || failed.Topic != c.rows || failed.Partition != 1 || failed.Offset != 1 || failed.Node != "globaltable "+c.rows {
		t.Fatalf("got %v", err)
	}
	config.Errors.Decide = func(_ *weir.FailedRecord) weir.ErrorAction { return weir.Skip }
	app := run(t, c.topology(), config)
	if diff := cmp.Diff(map[string]bool{"1 one": true, "2 nothing": true}, k.ask(c, 0, 1, 3)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if s := app.Status().Globals[0]; s.Skipped != 2 || s.NullKeys != 1 || s.Rows != 1 {
		t.Errorf("status: %+v", s)
	}
	app.stop()

	// A record that comes later ends an application that runs.
	config.Errors = weir.ErrorPolicy{}
	c.rows = k.Topic(t, "rows", 3)
	app = run(t, c.topology(), config)
	app.await("an empty table", globalRows(0))
	k.write(c.rows, 0, raw("2", `two`))
	if err := app.failure(); !errors.As(err, &failed) || failed.Topic != c.rows || failed.Offset != 0 {
		t.Fatalf("got %v", err)
	}
}

func TestTheTopicOfAGlobalTableIsCheckedBeforeAnythingIsRead(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	c := k.newCatalogue(t, 1)
	c.rows, c.partitions = k.Name("rows"), 5
	config := k.config()
	err := run(t, c.topology(), config).failure()
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("topic %q, declared at runtime/globals_test.go:", c.rows)) {
		t.Fatalf("got %v", err)
	}
	if plan := planned(t, c.topology(), config); len(plan.Problems) != 1 || !strings.Contains(plan.Problems[0], c.rows) {
		t.Errorf("plan: %v", plan)
	}
	config.Topics.Create = true
	plan := planned(t, c.topology(), config)
	want := []runtime.TopicSettings{{Name: c.rows, Partitions: 5, Replication: -1, Config: map[string]string{"cleanup.policy": "compact"}}}
	if diff := cmp.Diff(want, plan.Missing); diff != "" {
		t.Errorf("is made (-want +got):\n%s", diff)
	}
	app := run(t, c.topology(), config)
	app.await("an empty table", globalRows(0))
	k.writeRows(c, 0, 9, "row ")
	app.await("rows", globalRows(9))
	app.stop()
	if plan := planned(t, c.topology(), config); len(plan.Missing) != 0 || !strings.Contains(plan.String(), c.rows+": 5 partitions") {
		t.Errorf("plan: %v", plan)
	}

	// An internal topic of the application itself is none.
	c.rows = "changelog__" + k.group + "--" + c.input + "--sum"
	topology := pipeline{input: c.input, output: c.output}.topology()
	table := topology.GlobalTable(stream.NewTopic(c.rows, codec.String(), codec.String()))
	topology.From(stream.NewTopic(k.Topic(t, "other", 1), codec.String(), codec.String())).
		JoinGlobal(table, func(text string) string { return text }, func(text, row string) string { return text + row }).
		To(stream.NewTopic(c.output, codec.String(), codec.String()))
	if plan := planned(t, topology, config); len(plan.Problems) != 1 || !strings.Contains(plan.Problems[0], "is an internal topic of this application") {
		t.Errorf("plan: %v", plan)
	}
}

// Outages are waited for, while the table is loaded and later, unless they are too long.
func TestOutagesWhileAGlobalTableIsRead(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	proxy := k.StartProxy(t)
	c := k.newCatalogue(t, 1)
	k.writeRows(c, 0, 9, "row ")
	var g gate
	c.value = slowRows(&g)
	config := k.config()
	config.Connection.Sarama, config.BrokerTimeout = proxy.Detour().Take, patience
	g.close()
	app := run(t, c.topology(), config)
	g.awaitHeld(t)
	proxy.Block(true)
	g.open()
	over := time.After(2 * time.Second)
	<-over
	proxy.Block(false)
	app.await("the table", globalRows(9))
	proxy.Block(true)
	k.writeRows(c, 9, 12, "late ")
	over = time.After(2 * time.Second)
	<-over
	proxy.Block(false)
	app.await("what came during the outage", globalRows(12))
	app.stop()

	// One that is too long, of a cluster that goes away before all is read: the next batch never comes.
	config.BrokerTimeout = 2 * time.Second
	g.close()
	app = run(t, c.topology(), config)
	g.awaitHeld(t)
	proxy.Block(true)
	over = time.After(5 * time.Second)
	<-over
	g.open()
	if err := app.failure(); !errors.Is(err, weir.ErrUnavailable) || !strings.Contains(err.Error(), "Config.BrokerTimeout") {
		t.Errorf("got %v", err)
	}
	proxy.Block(false)
}
