package sim_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/weirstreams/weir/internal/letter"
	"github.com/weirstreams/weir/testkit/sim"
)

// expiring is a state with the time at which it expires, or forever.
type expiring struct{ value, until int }

const forever = 1 << 50

// lives is the rule of states with a time to live: the time of a store is the greatest time of the records of its partition, from
// the first on that has set a state which can expire. A state has expired when that time has reached its end.
type lives struct {
	began   bool
	reached int
}

func (l *lives) record(at int) { // before what the record does
	if l.began {
		l.reached = max(l.reached, at)
	}
}

func (l *lives) until(at, ttl int) int {
	if !l.began {
		l.began, l.reached = true, at
	}
	return at + ttl
}

func (l *lives) get(s expiring) int {
	if s.until != forever && l.began && s.until <= l.reached {
		return 0
	}
	return s.value
}

// checkStores is the model of the topology "stores".
func checkStores(o sim.Outcome) error {
	var lines, passed [][]string
	for _, task := range inputsOf(o, "orders") {
		var ofLines, ofPassed []string
		recent, all := map[string]map[int]expiring{}, map[string]expiring{}
		var recentTime, allTime lives
		for _, r := range task {
			n, at := r.Amount, int(r.at)
			recentTime.record(at)
			allTime.record(at)
			if recent[r.key] == nil {
				recent[r.key] = map[int]expiring{}
			}
			switch {
			case n%11 == 0:
				clear(recent[r.key])
			case n%5 == 0:
				delete(recent[r.key], n%4)
			case n%3 == 0:
				recent[r.key][n%4] = expiring{n, forever}
			default:
				recent[r.key][n%4] = expiring{n, recentTime.until(at, 1+n%40)}
			}
			sum := 0
			for field, s := range recent[r.key] {
				sum += (field + 1) * recentTime.get(s)
			}
			count := allTime.get(all[r.key])
			all[r.key] = expiring{count + sum, allTime.until(at, 25)}
			origin := fmt.Sprint(r.Topic, r.Partition)
			both := []line{{r.ID, sum, origin, r.Offset}, {r.ID, -count, origin, r.Offset}}
			for _, l := range both[:n%3] {
				ofLines = append(ofLines, output(r.key, l, r.at))
			}
			if (allTime.get(all[r.key])+n)%2 == 0 {
				ofPassed = append(ofPassed, output(r.key, r.order, r.at))
			}
		}
		lines, passed = append(lines, ofLines), append(passed, ofPassed)
	}
	if err := compareOutput(o, "lines", lines, false); err != nil {
		return err
	}
	return compareOutput(o, "out", passed, false)
}

// timerModel is the model of a watcher of the topology "timers".
type timerModel struct {
	timers map[[2]string]int64 // by key and name
	began  bool
	time   int64
	counts map[string]expiring
	lives  lives
	lines  []string
}

func (m *timerModel) set(key, name string, at, now int64) {
	if !m.began {
		m.began, m.time = true, now
	}
	m.timers[[2]string{key, name}] = at
}

// fire fires what is due: the earliest first, then by key and name.
func (m *timerModel) fire() {
	for {
		var due [][2]string
		for id, at := range m.timers {
			if m.began && at <= m.time {
				due = append(due, id)
			}
		}
		if len(due) == 0 {
			return
		}
		id := slices.MinFunc(due, func(a, b [2]string) int {
			return cmp.Or(cmp.Compare(m.timers[a], m.timers[b]), cmp.Compare(len(a[0]), len(b[0])), cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]))
		})
		key, name, at := id[0], id[1], m.timers[id]
		delete(m.timers, id)
		m.lives.record(int(at))
		count := m.lives.get(m.counts[key])
		m.counts[key] = expiring{count + 1, m.lives.until(int(at), 50)}
		if name == "timer 2" && count < 3 {
			m.set(key, "timer 1", at+15, at)
		}
		m.lines = append(m.lines, output(key, line{ID: count, Origin: name}, at))
	}
}

// checkTimers is the model of the topology "timers": its two processors write one topic.
func checkTimers(o sim.Outcome) error {
	var direct, grouped [][]string
	for topic, lines := range map[string]*[][]string{"orders": &direct, "repartition__sim--orders--shop": &grouped} {
		for _, task := range inputsOf(o, topic) {
			m := timerModel{timers: map[[2]string]int64{}, counts: map[string]expiring{}}
			for _, r := range task {
				if m.began {
					m.time = max(m.time, r.at)
				}
				m.fire()
				m.lives.record(int(r.at))
				n, name := r.Amount, fmt.Sprint("timer ", r.Amount%3)
				switch {
				case n%7 == 0:
					delete(m.timers, [2]string{r.key, name})
				case n%13 == 0:
					m.set(r.key, name, r.at, r.at)
				default:
					m.set(r.key, name, r.at+int64(n), r.at)
				}
				if n%4 == 0 {
					m.lines = append(m.lines, output(r.key, line{r.ID, m.lives.get(m.counts[r.key]), fmt.Sprint(r.Topic, r.Partition), r.Offset}, r.at))
				}
				m.fire()
			}
			*lines = append(*lines, m.lines)
		}
	}
	// What each has written is told from the other by its keys.
	ofCustomers := func(key string) bool { return key[0] == 'c' }
	if err := compareOutput(only(o, ofCustomers), "lines", direct, false); err != nil {
		return err
	}
	return compareOutput(only(o, func(key string) bool { return !ofCustomers(key) }), "lines", grouped, false)
}

// only returns the outcome without the records of some keys.
func only(o sim.Outcome, keep func(key string) bool) sim.Outcome {
	read := o.Read
	o.Read = func(topic string) [][]sim.Record {
		partitions := read(topic)
		for i := range partitions {
			partitions[i] = slices.DeleteFunc(partitions[i], func(r sim.Record) bool { return !keep(string(r.Key)) })
		}
		return partitions
	}
	return o
}

// checkSkipping is the model of the topology "skipping".
func checkSkipping(o sim.Outcome) error {
	var lines [][]string
	for _, task := range inputsOf(o, "orders") {
		var of []string
		counts := map[string]int{}
		for _, r := range task {
			count := counts[r.key]
			l := line{r.ID, count, fmt.Sprint(r.Topic, r.Partition), r.Offset}
			if r.Amount%2 == 0 {
				of = append(of, output(r.key, l, r.at))
			}
			if counts[r.key] = count + 1; r.Amount%5 == 0 {
				continue
			}
			counts[r.key] = count + 2
			l.Total = -count
			of = append(of, output(r.key, l, r.at))
		}
		lines = append(lines, of)
	}
	return compareOutput(o, "lines", lines, false)
}

// checkLetters is the model of the topology "letters": as "skipping", and each record that fails is in the topic of dead letters as it was, once
// with exactly once.
func checkLetters(o sim.Outcome) error {
	if err := checkSkipping(o); err != nil {
		return err
	}
	letters := map[string]int{}
	for _, partition := range o.Read(sim.DeadLettersTopic) {
		for _, r := range partition {
			headers := map[string]string{}
			for _, h := range r.Headers {
				headers[h.Key] = string(h.Value)
			}
			letters[fmt.Sprint(headers[letter.Topic], headers[letter.Partition], "@", headers[letter.Offset], string(r.Key), string(r.Value), r.Millis)]++
		}
	}
	for _, task := range o.Processed("orders") {
		for _, r := range task {
			var of order
			if err := json.Unmarshal(r.Value, &of); err != nil {
				return err
			}
			name := fmt.Sprint(r.Topic, r.Partition, "@", r.Offset, string(r.Key), string(r.Value), r.Millis)
			n := letters[name]
			delete(letters, name)
			switch {
			case of.Amount%5 == 0 && n == 0:
				return fmt.Errorf("%s has no dead letter", name)
			case of.Amount%5 == 0 && n > 1 && o.ExactlyOnce:
				return fmt.Errorf("%s has %d dead letters", name, n)
			case of.Amount%5 != 0 && n > 0:
				return fmt.Errorf("%s has a dead letter, and did not fail", name)
			}
		}
	}
	if len(letters) > 0 {
		return fmt.Errorf("dead letters of records that are not there: %v", letters)
	}
	return nil
}

// No record that fails is lost, and exactly once it has one letter, whatever happens.
func TestNoDeadLetterIsLostAndExactlyOnceNoneIsWrittenTwice(t *testing.T) {
	runSeeds(t, func(uint64) (*sim.Simulation, string) { return simulation(byName("letters")), "letters" }, 20, 0)
}
