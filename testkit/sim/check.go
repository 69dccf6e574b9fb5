package sim

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/eventtime"
	"github.com/weirstreams/weir/internal/state"
)

// checkOutput compares the committed output with the expected output.
func (w *world) checkOutput(want *expectation) {
	for _, topic := range w.outputTopics() {
		for n := range w.partitions[topic] {
			tp := broker.TopicPartition{Topic: topic, Partition: n}
			var got []string
			for _, r := range w.readAll(tp) {
				got = append(got, describe(&r))
			}
			if problem := w.compareOutput(tp, got, want); problem != "" {
				w.failf("output: %s: %s", tp, problem)
			}
		}
	}
}

// checkOutcome lets the simulation's own check look at the topics.
func (w *world) checkOutcome() {
	if w.simulation.Check == nil {
		return
	}
	if err := w.check(); err != nil {
		w.failf("check: %v", err)
	}
}

func (w *world) check() error {
	outcome := Outcome{ExactlyOnce: w.config.engine.ExactlyOnce, Processed: w.processedBy, Losses: w.lossesOf, Promises: w.promises}
	outcome.Kept = len(w.members) == 1 && !w.diskLost && !w.growing.grown
	outcome.InOrder = w.atOnce && w.config.engine.AlignTimeout == 0
	outcome.Read = func(topic string) [][]Record {
		partitions := make([][]Record, w.partitions[topic])
		for n := range partitions {
			for _, r := range w.readAll(broker.TopicPartition{Topic: topic, Partition: int32(n)}) {
				if !eventtime.IsWatermark(&r) {
					partitions[n] = append(partitions[n], Record{Key: r.Key, Value: r.Value, Headers: r.Headers, Millis: r.Millis})
				}
			}
		}
		return partitions
	}
	return w.simulation.Check(outcome)
}

// processedBy returns the records that the tasks of a topic have processed.
func (w *world) processedBy(topic string) [][]Processed {
	var tasks [][]Processed
	for _, t := range w.tasks() {
		if !slices.Contains(t.topics, topic) {
			continue
		}
		places, records, positions := w.processed(t)
		task := make([]Processed, len(places))
		for i, p := range places {
			r := records[p]
			task[i] = Processed{
				Record: Record{Key: r.Key, Value: r.Value, Headers: r.Headers, Millis: r.Millis},
				Topic:  p.tp.Topic, Partition: p.tp.Partition, Offset: p.offset, Position: positions[p],
			}
		}
		tasks = append(tasks, task)
	}
	return tasks
}

func (w *world) compareOutput(tp broker.TopicPartition, got []string, all *expectation) string {
	want := all.output[tp]
	if w.isSuppressed(tp) {
		return w.compareSuppressed(got, want)
	}
	describe := func(r string) string {
		from := all.origin[tp.String()+r]
		return fmt.Sprintf("%s, which comes of %s at offset %d", r, from.tp, from.offset)
	}
	wanted, found := map[string]int{}, map[string]int{}
	repeated := false
	for _, source := range slices.Sorted(maps.Keys(want)) {
		for _, r := range want[source] {
			wanted[r]++
			repeated = repeated || wanted[r] > 1
		}
	}
	for _, r := range got {
		found[r]++
	}
	exact := w.config.engine.ExactlyOnce
	for _, r := range slices.Sorted(maps.Keys(wanted)) {
		if found[r] < wanted[r] {
			return fmt.Sprintf("record is there %d times and not %d: %s", found[r], wanted[r], describe(r))
		}
	}
	for _, r := range slices.Sorted(maps.Keys(found)) {
		switch n := wanted[r]; {
		// Several inputs may have been merged in another order before it was done again.
		case n == 0 && !exact && len(w.ordered) > 0:
		case n == 0:
			return fmt.Sprintf("record should not be there: %s", r)
		case exact && found[r] > n:
			return fmt.Sprintf("record is there %d times and not %d: %s", found[r], n, describe(r))
		}
	}
	if !exact {
		if repeated || len(w.ordered) > 0 {
			return "" // repetitions cannot be told from records that are equal
		}
		seen := map[string]bool{}
		got = slices.DeleteFunc(slices.Clone(got), func(r string) bool {
			again := seen[r]
			seen[r] = true
			return again
		})
	}
	return interleaved(got, slices.Collect(maps.Values(want)))
}

// interleaved reports a difference unless got consists of all the sequences, each in its order.
func interleaved(got []string, sequences [][]string) string {
	at := make([]int, len(sequences))
	var dead map[string]bool // positions from which there is no way
	budget := 100_000
	furthest := 0
	var match func(i int) bool
	match = func(i int) bool {
		furthest = max(furthest, i)
		if i == len(got) {
			return true
		}
		if budget--; budget < 0 {
			return true // too many equal records to tell
		}
		key := fmt.Sprint(at)
		if dead[key] {
			return false
		}
		for s := range sequences {
			if at[s] < len(sequences[s]) && sequences[s][at[s]] == got[i] {
				at[s]++
				if match(i + 1) {
					return true
				}
				at[s]--
			}
		}
		if dead == nil {
			dead = map[string]bool{}
		}
		dead[key] = true
		return false
	}
	if match(0) {
		return ""
	}
	return fmt.Sprintf("out of order: record %d of %d: %s", furthest, len(got), got[furthest])
}

// behind returns the input partitions with uncommitted records.
func (w *world) behind() []string {
	committed := w.broker.Committed(groupName)
	var behind []string
	for _, t := range w.tasks() {
		for _, topic := range t.topics {
			tp := broker.TopicPartition{Topic: topic, Partition: t.partition}
			if end := w.broker.End(tp); committed[tp] < end && !w.onlyWatermarks(tp, committed[tp]) || w.simulation.Truncates && w.broker.IsCut(groupName, tp) {
				behind = append(behind, fmt.Sprintf("%s: %d of %d committed", tp, committed[tp], end))
			}
		}
	}
	return behind
}

// pending says which partitions readers of committed records cannot read to the end yet.
func (w *world) pending() []string {
	var pending []string
	w.findDynamicTopics()
	partitions := slices.Clone(w.allPartitions)
	for _, topic := range w.dynamic {
		for n := range w.partitions[topic] {
			partitions = append(partitions, broker.TopicPartition{Topic: topic, Partition: n})
		}
	}
	for _, tp := range partitions {
		if stable, end := w.broker.Stable(tp), w.broker.End(tp); stable < end {
			pending = append(pending, fmt.Sprintf("%s: %d of %d stable", tp, stable, end))
		}
	}
	return pending
}

// checkOffsets checks that all input is committed, and nothing beyond it.
func (w *world) checkOffsets() {
	for _, problem := range w.behind() {
		w.failf("offsets: %s", problem)
	}
	for tp, offset := range w.broker.Committed(groupName) {
		if end := w.broker.End(tp); offset > end {
			w.failf("offsets: %s: %d is committed, and the end is %d", tp, offset, end)
		}
	}
}

// owners returns the members that run the tasks now.
func (w *world) owners() map[string]*member {
	owners := map[string]*member{}
	for _, m := range w.members {
		for _, worker := range m.process.workers {
			for _, s := range worker.engine.Status() {
				if other := owners[s.Name]; other != nil {
					w.failf("task %s runs twice", s.Name)
				}
				owners[s.Name] = m
			}
		}
	}
	return owners
}

// spoiled returns the tasks that may restore records in spite of a complete database. At least once, a record that a
// zombie has written to a changelog is met by a checkpoint, which then leaves the position before it, so that the next
// restore takes it back: if that was the last checkpoint, there is something to restore.
func (w *world) spoiled() map[string]bool {
	spoiled := map[string]bool{}
	if !w.config.engine.ExactlyOnce {
		for _, t := range w.tasks() {
			spoiled[t.dir] = w.config.faults.compact > 0 || w.hasZombieRecords(t) // compaction hides them
		}
	}
	return spoiled
}

// checkReuse checks that tasks which went on with the database that they had left have restored nothing, unless it was
// spoiled.
func (w *world) checkReuse(before map[string]*member, spoiled map[string]bool) {
	for _, m := range w.members {
		for _, worker := range m.process.workers {
			for _, s := range worker.engine.Status() {
				if before[s.Name] == m && s.Restored > 0 && !spoiled[s.Name] {
					w.failf("task %s restored %d records, although its database was complete", s.Name, s.Restored)
				}
			}
		}
	}
}

// hasZombieRecords says whether a changelog of a task has records or claims of an owner behind those of a later one.
func (w *world) hasZombieRecords(t task) bool {
	for _, s := range t.part.Stores {
		if s.Changelog == "" {
			continue
		}
		var owner []byte
		for _, r := range w.broker.Read(broker.TopicPartition{Topic: s.Changelog, Partition: t.partition}, 0) {
			for _, h := range r.Headers {
				if h.Key != ownerHeader {
					continue
				}
				if bytes.Compare(h.Value, owner) < 0 {
					return true
				}
				owner = h.Value
			}
		}
	}
	return false
}

// checkState compares the databases of the tasks' last owners with the model.
func (w *world) checkState(want *expectation, owners map[string]*member, when string) {
	for _, t := range w.tasks() {
		if len(t.part.Stores) == 0 {
			continue
		}
		b, err := owners[t.dir].disk.open(t.dir)
		if err != nil {
			w.failf("state %s: %v", when, err)
			continue
		}
		rows, err := readStores(b)
		if err != nil {
			w.failf("state %s: task %s: %v", when, t.dir, err)
		}
		for _, name := range slices.Sorted(maps.Keys(want.state[t.dir])) {
			if problem := compareRows(w.sweepRest(t, name, rows.stores[name]), want.state[t.dir][name]); problem != "" {
				w.failf("state %s: task %s, store %s: %s", when, t.dir, name, problem)
			}
		}
		_ = b.Close() // nothing was written
	}
}

// checkChangelogs checks that each changelog holds the state, as any restore from nothing would find it.
func (w *world) checkChangelogs(want *expectation) {
	for _, t := range w.tasks() {
		for _, s := range t.part.Stores {
			if holdsTokens(s.Node) {
				w.checkTokens(broker.TopicPartition{Topic: s.Changelog, Partition: t.partition})
				continue
			}
			rows := map[string]string{}
			for _, r := range w.readChangelog(broker.TopicPartition{Topic: s.Changelog, Partition: t.partition}) {
				if !r.counts {
					continue
				}
				if r.Value == nil {
					delete(rows, string(r.Key))
				} else {
					rows[string(r.Key)] = string(r.Value)
				}
			}
			if problem := compareRows(w.sweepRest(t, s.Name, rows), want.state[t.dir][s.Name]); problem != "" {
				w.failf("changelog %s[%d]: %s", s.Changelog, t.partition, problem)
			}
		}
	}
}

func compareRows(got, want map[string]string) string {
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if value, ok := got[key]; !ok {
			return fmt.Sprintf("row %q is missing", key)
		} else if value != want[key] {
			return fmt.Sprintf("row %q is %q and not %q", key, value, want[key])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[key]; !ok {
			return fmt.Sprintf("row %q should not be there", key)
		}
	}
	return ""
}

// content is the content of a database.
type content struct {
	stores map[string]map[string]string
	// inputs and changelogs are the offsets that it reflects, by topic and by store.
	inputs, changelogs map[string]int64
}

// readStores reads a database. The layout is described in internal/engine/database.go.
func readStores(b state.Backend) (*content, error) {
	c := &content{stores: map[string]map[string]string{}, inputs: map[string]int64{}, changelogs: map[string]int64{}}
	names := map[uint64]string{}
	err := b.Scan([]byte{0}, nil, func(key, value []byte) (bool, error) {
		if key[0] == 0 {
			name := string(key[2:])
			switch key[1] {
			case 's':
				n, _ := binary.Uvarint(value)
				names[n] = name
				c.stores[name] = map[string]string{}
			case 'i':
				c.inputs[name] = int64(binary.BigEndian.Uint64(value))
			case 'c':
				c.changelogs[name] = int64(binary.BigEndian.Uint64(value))
			}
			return true, nil
		}
		n, length := binary.Uvarint(key)
		name, ok := names[n]
		if !ok {
			return false, fmt.Errorf("row %q belongs to no store", key)
		}
		c.stores[name][string(key[length:])] = string(value)
		return true, nil
	})
	return c, err
}

// checkDatabase checks the disk of a process: it holds a checkpoint that was committed.
func (w *world) checkDatabase(p *process, dir string, b state.Backend) {
	c, err := readStores(b)
	if err != nil {
		w.failf("%s opens the database of %s: %v", p.name, dir, err)
		return
	}
	i := slices.IndexFunc(w.tasks(), func(t task) bool { return t.dir == dir })
	committed := w.broker.Committed(groupName)
	for _, topic := range slices.Sorted(maps.Keys(c.inputs)) {
		tp := broker.TopicPartition{Topic: topic, Partition: w.tasks()[i].partition}
		if c.inputs[topic] > committed[tp] && w.losing.gone[tp] == nil {
			w.failf("%s opens the database of %s: it reflects %s up to offset %d, and %d is committed", p.name, dir, tp, c.inputs[topic], committed[tp])
		}
	}
}

// state describes a run that hangs.
func (w *world) state() string {
	var b strings.Builder
	for _, s := range append(w.behind(), w.pending()...) {
		fmt.Fprintf(&b, "\n\t%s", s)
	}
	for _, m := range w.members {
		if m.process == nil {
			fmt.Fprintf(&b, "\n\tmember %d is down", m.number)
			continue
		}
		for _, worker := range m.process.workers {
			fmt.Fprintf(&b, "\n\t%s: done %v, wakes at %v, dirty %v", worker.name, worker.done, worker.wakeAt, worker.engine.Dirty())
			for _, s := range worker.engine.Status() {
				fmt.Fprintf(&b, "\n\t\t%s: restoring %v, processed %d, lag %d", s.Name, s.Restoring, s.Processed, s.Lag)
			}
		}
	}
	return b.String()
}

// allChangelogs returns the changelogs, sorted.
func (w *world) allChangelogs() []string { return slices.Sorted(maps.Keys(w.changelogs)) }
