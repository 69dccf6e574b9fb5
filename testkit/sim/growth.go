package sim

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine"
	"github.com/weirstreams/weir/internal/engine/provision"
	"github.com/weirstreams/weir/internal/graph"
)

// oneGrowthIn is how seldom partitions are added in the first act, in steps of it.
const oneGrowthIn = 80

// growing says how the topics of the input have grown.
type growing struct {
	// before are the partitions of those topics at the start.
	before map[string]int32
	grown  bool
	// refused counts the processes that have ended because of it, by member.
	refused map[*member]int
}

// configureGrowth notes how the input began. Of several topics the first may be ahead of the others: its tasks run when these grow.
func (w *world) configureGrowth() {
	w.growing = growing{before: map[string]int32{}, refused: map[*member]int{}}
	for i := range w.inputs {
		w.growing.before[w.inputs[i].topic] = w.partitions[w.inputs[i].topic]
	}
	if len(w.inputs) > 1 {
		for range w.random.between(0, 2) {
			w.growTopic(w.inputs[0].topic)
		}
	}
}

// refuses reports whether the topology has state with a changelog directly behind a topic of the input: it must not go on when that
// has grown.
func (w *world) refuses() bool {
	for _, part := range w.plan.SubTopologies {
		for _, n := range part.Sources {
			if _, input := w.growing.before[w.plan.Topic(n)]; input && slices.ContainsFunc(part.Stores, func(s graph.Store) bool { return s.Changelog != "" }) {
				return true
			}
		}
	}
	return false
}

// growInput adds partitions to a topic of the input: while everything runs, while static members are down, or while all are. A
// topic without state behind it grows by one partition, up to twice. One with state grows once, to a multiple: then a process that does
// not know of it yet finds no record of a key in another one of the partitions that it has.
func (w *world) growInput() { w.growTopic(w.inputs[w.random.IntN(len(w.inputs))].topic) }

func (w *world) growTopic(topic string) {
	before, now := w.growing.before[topic], w.partitions[topic]
	count := now + 1
	if w.refuses() {
		count = before * int32(w.random.between(2, 3))
	}
	if w.refuses() && now > before || now >= before+2 {
		return
	}
	down := w.random.IntN(3)
	for _, m := range w.members {
		if m.process != nil && (down == 2 || down == 1 && m.instance != "") {
			w.kill(m.process)
		}
	}
	w.tracef("%s grows from %d to %d partitions", topic, now, count)
	if err := w.broker.AddPartitions(topic, count); err != nil {
		w.failf("%v", err)
	}
	w.growing.grown = true
	w.partitions[topic] = count
	if !w.refuses() {
		w.findTasks()
	}
}

// prepareTopics checks the topics as a process does at its start.
func (p *process) prepareTopics() (*provision.Topics, error) {
	w := p.world
	if !w.simulation.Grows {
		return w.topics, nil
	}
	refused := w.growing.grown && w.refuses()
	topics, err := w.prepareTopics()
	if err == nil && refused {
		w.failf("%s starts, although its input has grown", p.name)
	}
	return topics, err
}

// checkAssigned checks that no task of an added partition begins in front of state for fewer.
func (p *process) checkAssigned(event *broker.GroupEvent) {
	w := p.world
	if !w.simulation.Grows || event.Kind != broker.Assigned || !w.growing.grown || !w.refuses() {
		return
	}
	for _, tp := range event.Partitions {
		if before, input := w.growing.before[tp.Topic]; input && tp.Partition >= before {
			w.failf("%s runs a task of %s, and the state behind it was made for %d partitions", p.name, tp, before)
		}
	}
}

// grownInput matches the error of a process that must not go on with more partitions.
var grownInput = regexp.MustCompile(`topic "([^"]+)" has (\d+) partitions, and the state behind it was made for (\d+) \(changelogs: [^)]+\).* There are two ways out\. `)

// grownUnlogged matches the error of a process that is given an added partition in front of stores without a changelog. The next one begins with
// empty stores.
var grownUnlogged = regexp.MustCompile(`topic "([^"]+)" has (\d+) partitions, and the state behind it was made for (\d+) \(stores without a changelog: [^)]+\)`)

// noteRefusal takes notice of the end of a process because of added partitions. It reports whether the error is right.
func (w *world) noteRefusal(p *process, err error) bool {
	if !w.simulation.Grows || !w.growing.grown {
		return false
	}
	if said := grownUnlogged.FindStringSubmatch(err.Error()); said != nil && !w.refuses() {
		had, _ := strconv.Atoi(said[3]) // digits
		return had >= int(w.growing.before[said[1]]) && w.hadPartitions(said[1], said[2], had)
	}
	if !w.refuses() {
		return false
	}
	said := grownInput.FindStringSubmatch(err.Error())
	if said == nil {
		return false
	}
	before, known := w.growing.before[said[1]]
	if !known || said[3] != strconv.Itoa(int(before)) || !w.hadPartitions(said[1], said[2], int(before)) {
		return false
	}
	w.growing.refused[p.member]++
	return true
}

// hadPartitions reports whether a topic can have had some partitions, in digits, more than before: it may have grown again since a process has asked.
func (w *world) hadPartitions(topic, partitions string, before int) bool {
	now, err := strconv.Atoi(partitions)
	return err == nil && now > before && now <= int(w.partitions[topic])
}

// endGrowth comes between the first act and the second: all input that is to grow has grown. Processes of a topology that must not go on
// all end, and do not start again, until one of the two ways out is taken.
func (w *world) endGrowth() bool {
	for !w.growing.grown {
		w.growInput()
	}
	if !w.refuses() {
		return true
	}
	for w.feed(10, func(in *input) int { return len(in.records) * 2 / 3 }) && w.random.oneIn(2) {
		continue
	}
	for _, m := range w.members {
		if m.process == nil {
			w.start(m)
		}
	}
	// A process that runs ends when it is given a partition that was added; then the next one is given it.
	if !w.awaitEnd("those that run") {
		return false
	}
	clear(w.growing.refused)
	for _, m := range w.members {
		w.start(m)
	}
	if !w.awaitEnd("those that start") {
		return false
	}
	for _, m := range w.members {
		if w.growing.refused[m] != 1 {
			w.failf("member %d was refused %d times at its start", m.number, w.growing.refused[m])
		}
	}
	w.checkUntouched()
	w.clock.Advance(w.config.transaction + 10*time.Second) // open transactions end
	if w.config.engine.ExactlyOnce && w.simulation.Check != nil && w.random.oneIn(2) {
		w.keepState()
	} else {
		w.buildAnew()
	}
	w.growing.grown = false
	return len(w.problems) == 0
}

// awaitEnd lets all processes run until none is left.
func (w *world) awaitEnd(which string) bool {
	for began := w.clock.Now(); w.clock.Now().Sub(began) < patience && len(w.problems) == 0; {
		busy, left := false, w.routines()
		if len(left) == 0 {
			return true
		}
		for _, r := range left {
			if r.runnable(w.clock.Now()) {
				w.resume(r)
				busy = busy || r.worked
			}
		}
		w.reap()
		if !busy {
			w.clock.Advance(max(w.config.interval, 500*time.Millisecond))
		}
	}
	w.failf("input has grown, and not all processes end, of %s: %s", which, w.state())
	return false
}

// checkUntouched checks that nothing of the added partitions was processed.
func (w *world) checkUntouched() {
	committed := w.broker.Committed(groupName)
	for topic, before := range w.growing.before {
		for p := before; p < w.partitions[topic]; p++ {
			tp := broker.TopicPartition{Topic: topic, Partition: p}
			if offset, ok := committed[tp]; ok {
				w.failf("offset %d of %s is committed, and the state behind it was made for %d partitions", offset, tp, before)
			}
		}
	}
	for changelog := range w.changelogs {
		for p := w.partitions[changelog]; p < w.partitions[changelog]+9; p++ {
			if n := w.broker.End(broker.TopicPartition{Topic: changelog, Partition: p}); n > 0 {
				w.failf("changelog %s has %d records in partition %d, which was added", changelog, n, p)
			}
		}
	}
}

// keepState is the first way out: the topics are made anew as they were, with the records that were not processed.
func (w *world) keepState() {
	w.tracef("the state is kept")
	w.losing.gone = map[broker.TopicPartition][]broker.Record{}
	committed := w.broker.Committed(groupName)
	for _, topic := range slices.Sorted(maps.Keys(w.growing.before)) {
		before := w.growing.before[topic]
		var rest []broker.Record
		for p := range w.partitions[topic] {
			tp := broker.TopicPartition{Topic: topic, Partition: p}
			for _, r := range w.broker.Read(tp, 0) {
				if r.Offset < committed[tp] {
					w.losing.gone[tp] = append(w.losing.gone[tp], r)
				} else {
					rest = append(rest, r)
				}
			}
		}
		w.remake(topic, before, rest)
	}
	w.config.engine.LostInput = engine.LostContinue
	w.findTasks()
}

// buildAnew is the second one: the topics are made anew with more partitions and all records, and the state is dropped. So is the
// output, for the model.
func (w *world) buildAnew() {
	w.tracef("the state is built anew")
	for _, topic := range slices.Sorted(maps.Keys(w.growing.before)) {
		var all []broker.Record
		for p := range w.partitions[topic] {
			all = append(all, w.broker.Read(broker.TopicPartition{Topic: topic, Partition: p}, 0)...)
		}
		w.remake(topic, w.partitions[topic], all)
	}
	for _, topic := range w.allChangelogs() {
		w.broker.DeleteTopic(topic)
	}
	for _, topic := range w.outputTopics() {
		w.broker.DeleteTopic(topic)
	}
	w.broker.Forget(groupName)
	for _, m := range w.members {
		m.disk.lose()
		m.id = ""
	}
	if err := w.createTopics(); err != nil {
		w.failf("after all was deleted: %v", err)
	}
}

// remake makes a topic anew, and writes records to it, each to the partition of its key.
func (w *world) remake(topic string, partitions int32, records []broker.Record) {
	w.broker.DeleteTopic(topic)
	w.broker.Forget(groupName, topic)
	w.partitions[topic] = partitions
	if err := w.broker.CreateTopic(broker.TopicSpec{Name: topic, Partitions: partitions, Replication: -1}); err != nil {
		w.failf("make %s anew: %v", topic, err)
	}
	for _, r := range records {
		tp := broker.TopicPartition{Topic: topic, Partition: partitionOf(r.Key, partitions)}
		if err := w.broker.Append(tp, broker.Record{Key: r.Key, Value: r.Value, Headers: r.Headers, Millis: r.Millis}); err != nil {
			w.failf("make %s anew: %v", topic, err)
		}
	}
}
