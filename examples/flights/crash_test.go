package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/murmur2"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/window"
)

var (
	seedFlag  = flag.Uint64("crash.seed", 0, "seed of the points at which processes are killed; 0 takes a new one")
	killsFlag = flag.Int("crash.kills", 0, "how often a process is killed; 0 means 3 times, or 10 on a real broker")
)

const (
	patience   = 90 * time.Second
	partitions = 4
	// often is a checkpoint interval that leaves little to do again, but something.
	often = 200 * time.Millisecond
)

// trial is a cluster with flights, and what is known of the pipeline there.
type trial struct {
	*kafkatest.Kafka
	t       testing.TB
	cluster broker.Cluster
	name    string
	topics  Topics
	plan    *graph.Plan
	flights int // that were written; it belongs to feed until that is stopped
	dir     string
}

// newTrial makes the topics.
func newTrial(t testing.TB) *trial {
	t.Helper()
	k := &trial{Kafka: kafkatest.Start(t), t: t, dir: t.TempDir()}
	k.name = k.Name("flights")
	k.topics = NewTopics(k.name, partitions)
	k.plan = graph.NewPlan(Topology(k.topics, nil, nil).Graph(), k.name)
	var err error
	k.cluster, err = saramabroker.Open(t.Context(), saramabroker.Config{Brokers: k.Brokers, Logger: logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.cluster.Close() })
	// It returns when the cluster shows the topics to those who ask, which takes a moment.
	var specs []broker.TopicSpec
	for _, topic := range []string{k.topics.Flights.Name(), k.topics.Totals.Name(), k.topics.Hours.Name()} {
		specs = append(specs, broker.TopicSpec{
			Name: topic, Partitions: partitions, Replication: -1, Config: map[string]string{"retention.ms": "-1"},
		})
	}
	if err := k.cluster.CreateTopics(k.within(), specs...); err != nil {
		t.Fatal(err)
	}
	return k
}

const (
	feedBatch    = 200
	feedInterval = 40 * time.Millisecond
	// feedAhead is how many flights may wait to be read: a slow machine need not catch up with more.
	feedAhead = 5000
)

// feed writes flights, so that there is work at any time, until the returned function is called. It begins again at the
// end of the file, with later dates. The distance of a flight is its number.
func (k *trial) feed() (stop func()) {
	k.t.Helper()
	file, err := readFlights()
	if err != nil {
		k.t.Fatal(err)
	}
	airports, err := readAirports()
	if err != nil {
		k.t.Fatal(err)
	}
	first, err := file[0].departure()
	if err != nil {
		k.t.Fatal(err)
	}
	last, err := file[len(file)-1].departure()
	if err != nil {
		k.t.Fatal(err)
	}
	days := int(last.Sub(first)/(24*time.Hour)) + 1
	// In transactions, because flights are old: a broker that restarts has forgotten a producer whose last record is older
	// than producer.id.expiration.ms, and appends what is repeated once more. An open transaction it remembers.
	producer, err := k.cluster.NewProducer(broker.ProducerConfig{
		TransactionalID: k.name + "-feed", TransactionTimeout: 5 * time.Minute,
	})
	if err != nil {
		k.t.Fatal(err)
	}
	enough, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(feedInterval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-enough:
				return
			}
			if k.flights-int(k.committed()) > feedAhead {
				continue
			}
			var batch [partitions][]broker.Record
			for range feedBatch {
				f := file[k.flights%len(file)]
				at, err := f.departure()
				if err != nil {
					k.t.Error(err)
					return
				}
				at = at.AddDate(0, 0, k.flights/len(file)*days)
				f.Date = at.Format("2006/01/02 15:04")
				f.Distance = k.flights
				k.flights++
				value, err := json.Marshal(f)
				if err != nil {
					k.t.Error(err)
					return
				}
				state := airports[f.Origin].State
				p := murmur2.Partition([]byte(state), partitions)
				batch[p] = append(batch[p], broker.Record{Key: []byte(state), Value: value, Millis: at.UnixMilli()})
			}
			if err := k.append(producer, batch); err != nil {
				k.t.Error(err)
				return
			}
		}
	}()
	stop = sync.OnceFunc(func() {
		close(enough)
		<-done
		producer.Close()
	})
	k.t.Cleanup(stop)
	return stop
}

// append writes to the partitions of the input, each record once whatever becomes of the broker. Any goroutine may call it.
func (k *trial) append(p broker.Producer, batch [partitions][]broker.Record) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for i, records := range batch {
		if len(records) == 0 {
			continue
		}
		if err := p.Send(ctx, broker.TopicPartition{Topic: k.topics.Flights.Name(), Partition: int32(i)}, records); err != nil {
			return err
		}
	}
	return p.Commit(ctx, broker.GroupMember{}, nil)
}

// member returns a member of the group with a state directory and a log of its own.
func (k *trial) member(name string) member {
	return member{
		Brokers: k.Brokers, Name: k.name, StateDir: filepath.Join(k.dir, name), Log: filepath.Join(k.dir, name+".log"),
		// Short, but not so short that a busy machine misses it.
		SessionTimeout: max(3*time.Second, k.SessionTimeout()), CheckpointInterval: often,
	}
}

// repartition is the topic that brings flights to their airport.
func (k *trial) repartition() string { return k.plan.Topic(k.airports().Sources[0]) }

// airports is the part of the topology that has the state.
func (k *trial) airports() *graph.Part { return k.plan.Parts[1] }

func (k *trial) within() context.Context {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(k.t.Context()), patience)
	k.t.Cleanup(cancel)
	return ctx
}

// partitionsOf returns the partitions of a topic.
func partitionsOf(topics ...string) []broker.TopicPartition {
	var tps []broker.TopicPartition
	for _, topic := range topics {
		for p := range int32(partitions) {
			tps = append(tps, broker.TopicPartition{Topic: topic, Partition: p})
		}
	}
	return tps
}

// awaitFinished waits until all flights were read and all that came of them is committed.
func (k *trial) awaitFinished(r *running) {
	k.t.Helper()
	r.await("tasks", 0, func(now report) bool { return now.Tasks > 0 }) // there may be nothing left to do
	ctx := k.within()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		behind, err := k.behind(ctx)
		if err != nil {
			k.t.Fatal(err)
		}
		if behind == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-r.exited:
			k.t.Fatalf("the process has ended %d records too early: %v", behind, r.cmd.ProcessState)
		case <-ctx.Done():
			k.t.Fatalf("not finished within %v: %d records are left", patience, behind)
		}
	}
}

// behind returns how many records of the input and of the repartition topic are not committed.
func (k *trial) behind(ctx context.Context) (n int64, err error) {
	tps := partitionsOf(k.topics.Flights.Name(), k.repartition())
	// In this order: the repartition topic grows before the flights that it comes of are committed.
	committed, err := k.cluster.CommittedOffsets(ctx, k.name, tps...)
	if err != nil {
		return 0, err
	}
	// Also what belongs to transactions that have not ended, and their markers.
	ends, err := k.cluster.Offsets(ctx, broker.Latest, tps...)
	for _, tp := range tps {
		n += ends[tp] - committed[tp]
	}
	return n, err
}

// committed returns how many flights the group has committed. Any goroutine may call it. It waits for brokers that are
// away.
func (k *trial) committed() (n int64) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var offsets map[broker.TopicPartition]int64
	err := broker.ErrUnavailable
	for errors.Is(err, broker.ErrUnavailable) && ctx.Err() == nil {
		offsets, err = k.cluster.CommittedOffsets(ctx, k.name, partitionsOf(k.topics.Flights.Name())...)
	}
	if err != nil {
		k.t.Error(err)
	}
	for _, offset := range offsets {
		n += offset
	}
	return n
}

// read calls f for every record of a topic, partition by partition in order.
func (k *trial) read(topic string, f func(partition int32, r *broker.Record)) {
	k.t.Helper()
	ctx := k.within()
	tps := partitionsOf(topic)
	ends, err := k.cluster.Offsets(ctx, broker.End, tps...)
	if err != nil {
		k.t.Fatal(err)
	}
	begins, err := k.cluster.Offsets(ctx, broker.Earliest, tps...)
	if err != nil {
		k.t.Fatal(err)
	}
	fetcher, err := k.cluster.NewFetcher(broker.FetcherConfig{})
	if err != nil {
		k.t.Fatal(err)
	}
	defer fetcher.Close()
	for _, tp := range tps {
		fetcher.Start(tp, begins[tp])
		for next := begins[tp]; next < ends[tp]; {
			batch, err := fetcher.Poll(ctx, time.Second)
			if err != nil {
				k.t.Fatal(err)
			}
			if batch == nil {
				continue
			}
			for i := range batch.Records {
				f(tp.Partition, &batch.Records[i])
			}
			next = batch.NextOffset
			batch.Release()
		}
		fetcher.Stop(tp)
	}
}

func (k *trial) unmarshal(data []byte, v any) {
	k.t.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		k.t.Fatalf("%q: %v", data, err)
	}
}

// rows is the content of a store, over all partitions.
type rows map[string][]byte

// changelog returns what a changelog says that a store holds.
func (k *trial) changelog(s graph.Store) rows {
	k.t.Helper()
	content := rows{}
	k.read(s.Changelog, func(_ int32, r *broker.Record) {
		if r.Value == nil {
			delete(content, string(r.Key))
			return
		}
		content[string(r.Key)] = bytes.Clone(r.Value)
	})
	return content
}

// database returns what the databases in a state directory say that a store holds.
func (k *trial) database(s graph.Store, stateDir string) rows {
	k.t.Helper()
	content := rows{}
	pebble := store.NewPebble(store.PebbleConfig{Logger: logger(k.t)})
	defer pebble.Close()
	for p := range partitions {
		path := filepath.Join(stateDir, k.name, k.airports().StreamID, fmt.Sprint(p))
		if _, err := os.Stat(path); err != nil {
			k.t.Fatal(err)
		}
		db, err := pebble.Open(path)
		if err != nil {
			k.t.Fatal(err)
		}
		// See package engine for the layout.
		prefix, err := db.Get(nil, append([]byte{0, 's'}, s.Name...))
		if err != nil {
			k.t.Fatalf("store %q: %v", s.Name, err)
		}
		end := bytes.Clone(prefix)
		end[len(end)-1]++
		err = db.Scan(prefix, end, func(key, value []byte) (bool, error) {
			content[string(key[len(prefix):])] = bytes.Clone(value)
			return true, nil
		})
		if err != nil {
			k.t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			k.t.Fatal(err)
		}
	}
	return content
}

// check checks everything that is left behind by members that have stopped, and returns how many flights came to their
// airport more than once. The truth for the second part of the topology is what the first has written.
func (k *trial) check(stateDir string) (repeated int) {
	k.t.Helper()
	seen := make([]int, k.flights)
	want := newReference()
	k.read(k.repartition(), func(_ int32, r *broker.Record) {
		var f Flight
		k.unmarshal(r.Value, &f)
		if string(r.Key) != f.Origin {
			k.t.Fatalf("a flight from %s has come to %s", f.Origin, r.Key)
		}
		seen[f.Distance]++
		want.add(f, r.Millis)
	})
	skipped := 0
	for _, n := range seen {
		if n == 0 {
			skipped++
		}
		repeated += max(0, n-1)
	}
	if skipped > 0 {
		k.t.Errorf("%d of %d flights were skipped", skipped, k.flights)
	}
	k.checkState(want, stateDir)
	k.checkTotals(want)
	k.checkHours(want)
	return repeated
}

func (k *trial) checkState(want *reference, stateDir string) {
	k.t.Helper()
	for _, s := range k.airports().Stores {
		fromTopic, fromDisk := k.changelog(s), k.database(s, stateDir)
		if diff := cmp.Diff(fromTopic, fromDisk); diff != "" {
			k.t.Errorf("store %q (-changelog +database):\n%s", s.Name, diff)
		}
		if s.Name == totals.Name() {
			got, wanted := map[string]Delays{}, map[string]Delays{}
			for airport, value := range fromTopic {
				var d Delays
				k.unmarshal(value, &d)
				got[airport] = d
			}
			for airport := range want.totals {
				wanted[airport] = want.last(airport)
			}
			if diff := cmp.Diff(wanted, got); diff != "" {
				k.t.Errorf("totals (-want +got):\n%s", diff)
			}
			continue
		}
		got := map[string]map[int64]openHour{}
		for row, value := range fromTopic {
			if row == "d" { // the definition of the windows
				continue
			}
			airport, begin, h := k.decodeWindow(row, value)
			if got[airport] == nil {
				got[airport] = map[int64]openHour{}
			}
			got[airport][begin] = h
		}
		if diff := cmp.Diff(want.open, got, cmpopts.EquateEmpty()); diff != "" {
			k.t.Errorf("open hours (-want +got):\n%s", diff)
		}
	}
}

// decodeWindow reads a row of a windowed store. See store.Windowed for the layout.
func (k *trial) decodeWindow(row string, value []byte) (airport string, begin int64, h openHour) {
	k.t.Helper()
	length, n := binary.Uvarint([]byte(row[1:]))
	if row[0] != 'w' || n <= 0 || len(row) != 1+n+int(length)+8 {
		k.t.Fatalf("row %q", row)
	}
	airport = row[1+n : 1+n+int(length)]
	begin = int64(binary.BigEndian.Uint64([]byte(row[len(row)-8:])) ^ 1<<63)
	sinceBegin, n := binary.Varint(value)
	value = value[n:]
	for range 2 { // number of records, mark
		_, n = binary.Uvarint(value)
		value = value[n:]
	}
	k.unmarshal(value, &h.Delays)
	h.Latest = begin + sinceBegin
	return airport, begin, h
}

// checkTotals checks that the output has every total at least once, nothing else, and the last one last.
func (k *trial) checkTotals(want *reference) {
	k.t.Helper()
	got, last := map[string]map[int]Delays{}, map[string]Delays{}
	k.read(k.topics.Totals.Name(), func(_ int32, r *broker.Record) {
		var d Delays
		k.unmarshal(r.Value, &d)
		airport := string(r.Key)
		if n := len(want.totals[airport]); d.Flights < 1 || d.Flights > n || want.totals[airport][d.Flights-1] != d {
			k.t.Fatalf("%s: a total of %+v", airport, d)
		}
		if got[airport] == nil {
			got[airport] = map[int]Delays{}
		}
		got[airport][d.Flights], last[airport] = d, d
	})
	for airport, all := range want.totals {
		if len(got[airport]) != len(all) {
			k.t.Errorf("%s: %d totals of %d", airport, len(got[airport]), len(all))
		}
		if last[airport] != want.last(airport) {
			k.t.Errorf("%s: the last total is %+v, want %+v", airport, last[airport], want.last(airport))
		}
	}
}

// checkHours checks that the output has every hour that is over at least once, and nothing else.
func (k *trial) checkHours(want *reference) {
	k.t.Helper()
	got := map[string]map[int64]Delays{}
	for airport := range want.hours {
		got[airport] = map[int64]Delays{}
	}
	k.read(k.topics.Hours.Name(), func(_ int32, r *broker.Record) {
		var result window.Result[Delays]
		k.unmarshal(r.Value, &result)
		airport := string(r.Key)
		if so, ok := got[airport][result.StartMillis]; ok && so != result.Value {
			k.t.Errorf("%s at %v: %+v and %+v", airport, result.Start().UTC(), so, result.Value)
		}
		got[airport][result.StartMillis] = result.Value
	})
	if diff := cmp.Diff(want.hours, got); diff != "" {
		k.t.Errorf("hours (-want +got):\n%s", diff)
	}
}

func newRandom(t testing.TB) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-crash.seed=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// However often a process is killed: no flight is skipped, and totals and hours are those of what has come to the
// airports, in the changelogs and on the disk, which is never restored from the beginning.
func TestNothingIsSkippedAndNoStateIsWrongWhenProcessesAreKilled(t *testing.T) {
	k := newTrial(t)
	random := newRandom(t)
	kills := *killsFlag
	if kills == 0 {
		kills = 3
		if k.Real() {
			kills = 10
		}
	}
	stopFeeding := k.feed()
	m := k.member("a")
	m.InstanceID = "a" // a static member is back at once
	var known map[string]os.FileInfo
	var whole int64 // what restores from the beginning would read
	for i := range kills {
		r := m.start(t)
		var now report
		if i > 0 && random.IntN(3) == 0 {
			limit := time.Duration(1+random.IntN(1500)) * time.Millisecond
			now = r.await("to be killed", limit, func(report) bool { return false })
		} else {
			target := 1 + random.Int64N(8000)
			if i == 0 {
				target += 12000 // so that there is something to reuse
			}
			now = r.await("to be killed", 0, func(now report) bool { return now.Read >= target })
		}
		r.kill()
		t.Logf("kill %d: %+v, %d flights are committed", i+1, now, k.committed())
		known = k.checkFolders(known, m.StateDir)
		whole += k.changelogRecords()
	}
	stopFeeding()
	r := m.start(t)
	k.awaitFinished(r)
	r.stop()
	k.checkFolders(known, m.StateDir)
	t.Logf("%d of %d flights came to their airport more than once", k.check(m.StateDir), k.flights)
	k.checkReuse(m, whole)
}

// checkFolders checks that no folder of a task was deleted and made anew.
func (k *trial) checkFolders(known map[string]os.FileInfo, stateDir string) map[string]os.FileInfo {
	k.t.Helper()
	now := folders(k.t, stateDir)
	for path, info := range known {
		if now[path] == nil || !os.SameFile(info, now[path]) {
			k.t.Errorf("%s is not what it was", path)
		}
	}
	return now
}

// changelogRecords returns how much was written to all changelogs.
func (k *trial) changelogRecords() (n int64) {
	k.t.Helper()
	for _, end := range k.changelogEnds(k.within()) {
		n += end
	}
	return n
}

// changelogEnds returns the ends of all changelogs.
func (k *trial) changelogEnds(ctx context.Context) map[broker.TopicPartition]int64 {
	k.t.Helper()
	var tps []broker.TopicPartition
	for _, s := range k.airports().Stores {
		tps = append(tps, partitionsOf(s.Changelog)...)
	}
	ends, err := k.cluster.Offsets(ctx, broker.End, tps...)
	if err != nil {
		k.t.Fatal(err)
	}
	return ends
}

// awaitCheckpoints waits until every task with state has checkpointed, as it is assigned now.
func (k *trial) awaitCheckpoints() {
	k.t.Helper()
	ctx := k.within()
	before := k.changelogEnds(ctx)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		done := true
		for tp, end := range k.changelogEnds(ctx) {
			done = done && end > before[tp]
		}
		if done {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			k.t.Fatalf("not every task has checkpointed within %v", patience)
		}
	}
}

// checkReuse checks that a member has restored little of whole, which is what its state comes of.
func (k *trial) checkReuse(m member, whole int64) {
	k.t.Helper()
	var restored int64
	reused, anew := 0, 0
	for _, line := range readLog(k.t, m.Log) {
		switch {
		case line.Level == "ERROR":
			k.t.Errorf("logged: %+v", line)
		case line.Msg == "restoring state" && line.Store != "":
			restored += line.To - line.From
			if line.Reused {
				reused++
			} else {
				anew++
			}
		}
	}
	k.t.Logf("%d of %d changelog records were read to restore; state was reused %d times of %d", restored, whole, reused, reused+anew)
	if anew > reused {
		k.t.Errorf("state was reused %d times and restored anew %d times", reused, anew)
	}
	if restored > whole/2 {
		k.t.Errorf("%d changelog records were read to restore: that is not much less than all %d", restored, whole)
	}
}

// When a member is killed the others take over, with its state.
func TestAMemberTakesOverFromOneThatIsKilled(t *testing.T) {
	k := newTrial(t)
	stopFeeding := k.feed()
	members := []member{k.member("a"), k.member("b")}
	var runs []*running
	for _, m := range members {
		runs = append(runs, m.start(t))
	}
	const all = 2 * partitions
	for i, r := range runs {
		now := r.await("work on half of the tasks", 0, func(now report) bool {
			return now.Tasks == all/2 && now.Restoring == 0 && now.Read > 2000 && now.Grouped > 2000
		})
		t.Logf("member %d: %+v", i, now)
	}
	k.awaitCheckpoints() // work on a backlog may take less than a checkpoint interval
	before := len(readLog(t, members[1].Log))
	runs[0].kill()
	begun := time.Now()
	now := runs[1].await("all tasks", 0, func(now report) bool { return now.Tasks == all && now.Restoring == 0 })
	t.Logf("taken over after %v", time.Since(begun))
	runs[1].await("work on all tasks", 0, func(later report) bool { return later.Grouped > now.Grouped+2000 })
	stopFeeding()
	k.awaitFinished(runs[1])
	runs[1].stop()
	t.Logf("%d of %d flights came to their airport more than once", k.check(members[1].StateDir), k.flights)
	moved := map[string]bool{}
	for _, line := range readLog(t, members[1].Log)[before:] {
		if line.Msg == "restoring state" && line.Store != "" {
			moved[line.Task] = true
		}
	}
	if len(moved) < partitions/2 {
		t.Errorf("restored the state of %v, want that of %d tasks at least", moved, partitions/2)
	}
}

// A process that is asked to stop leaves nothing to do again, and its successor need not wait for anything.
func TestNothingIsProcessedTwiceWhenAProcessIsStopped(t *testing.T) {
	k := newTrial(t)
	stopFeeding := k.feed()
	m := k.member("a")
	m.SessionTimeout = 45 * time.Second
	for i := range 3 {
		begun := time.Now()
		r := m.start(t)
		r.await("all tasks", 0, func(now report) bool { return now.Tasks == 2*partitions })
		if took := time.Since(begun); took > 20*time.Second {
			t.Errorf("start %d took %v", i+1, took)
		}
		now := r.await("to be stopped", 0, func(now report) bool { return now.Read > 3000 && now.Grouped > 2000 })
		r.stop()
		t.Logf("stop %d: %+v, %d flights are committed", i+1, now, k.committed())
	}
	stopFeeding()
	r := m.start(t)
	k.awaitFinished(r)
	r.stop()
	if repeated := k.check(m.StateDir); repeated > 0 {
		t.Errorf("%d flights came to their airport more than once", repeated)
	}
	outputs := 0
	k.read(k.topics.Totals.Name(), func(int32, *broker.Record) { outputs++ })
	if outputs != k.flights {
		t.Errorf("%d totals were written for %d flights", outputs, k.flights)
	}
	for _, line := range readLog(t, m.Log) {
		if line.Msg == "restoring state" || line.Level == "ERROR" || line.Level == "WARN" {
			t.Errorf("logged: %+v", line)
		}
	}
}
