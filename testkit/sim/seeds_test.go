package sim_test

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/testkit/sim"
)

var (
	oneSeed  = flag.Uint64("seed", 0, "the only seed to run")
	duration = flag.Duration("duration", time.Duration(longtest.Cases(1, 3))*time.Second, "how long to run fresh seeds")
	topology = flag.String("topology", "", "the topology of -seed and of fresh seeds, if it is not the one that the seed means")
	calm     = flag.Bool("calm", false, "run -seed without faults")
	from     = flag.Uint64("from", 0, "the first of the fresh seeds; 0 is a random one")
	fixed    = flag.Uint64("fixed", 100, "how many seeds are run that are the same every time; fewer for rarer topologies")
)

// kept are seeds that have found something once. The simulation has changed since: of those with a bug of testdata/mutants.txt
// TestKeptSeedsFindTheirBugs shows that they still would.
var kept = []struct {
	topology string
	seed     uint64
	found    string
	bug      string
}{
	{"two repartitions", 343, "output of lost tasks was committed with the next transaction", "commit output of lost tasks"},
	{"merged", 123, "stopping failed when the last transaction was fenced", ""},
	{"sliding", 356, "a worker whose offsets the group refused tried again and again, and let no time pass", "do not rest when the group refuses offsets"},
	{"windows", 105422, "a process that had lost a task while restoring took back what its successor had committed", ""},
	{"merged with state", 793720036345111637, "a worker went on after a checkpoint for a rebalance had failed", ""},
	{"stores", 7653747262622124577, "a store was opened in a database in which opening another one had failed", ""},
	{"as-of join", 2577769126531502080, "a process that had lost a task while restoring never counted what was committed meanwhile", ""},
	{"sessions", 5511968059049817606, "the check of what a complete database restores did not know of the claim of a zombie", ""},
	{"windows", 5996829227673319258, "a process that slept through two sessions gave up, and the check of ends did not know why", ""},
	{
		"sessions by partition", 1243, "a process that had lost a task took changes of its successor for ones that count, as nothing was committed when its restore began",
		"",
	},
	{"state without a changelog", 85, "changes that were written ahead of a commit were lost with the machine", "do not sync changes of stores without a changelog that are written ahead"},
	{"lookup join", 94, "records that waited for a lookup were committed", "commit records that wait for a lookup"},
	{"duplicates", 3473, "a task with a start that was given up, as another one was to go, was never started", ""},
	{"interval join", 650, "a process that had lost a task wrote state of it before it had committed where the task begins", ""},
	{"results held back before windows of all keys", 39, "results that were held back came behind a watermark that had passed them", "promise a time without regard to results that are held back"},
	{"results held back before windows of all keys", 132, "results that were held back came behind a watermark that had passed them", "promise a time without regard to results that are held back"},
	{"old records amid those of now", 488, "a watermark was taken back in a transaction that was aborted, and not once more", "take for said after a rewind the watermarks that were dropped with it"},
	{"old records amid those of now", 10371, "a watermark was taken back in a transaction that was aborted, and not once more", "take for said after a rewind the watermarks that were dropped with it"},
	{"tumbling by partition", 5037, "a task went on behind changes of a former owner without having read them", "move the position past foreign writes"},
	{"truncated input", 37, "a log that was truncated and had grown past the committed offset went unnoticed", "begin to read without a look at the leader epoch that was committed"},
	{"windows of all keys behind windows", 3506, "windows that were open before a restart closed without their records", "forget open windows and sessions after a restart"},
	{"batching sinks of two inputs", 2, "records of a batch that was in flight at the checkpoint were lost", "make a checkpoint without waiting for a batch in flight"},
	{"batching sinks of two inputs", 2, "batches of a task were written in another order", "swap two batches of a task"},
	{"grown input of state without a changelog", 4457455423471551955, "a process had asked for the partitions before the topic grew again, and the check took their number for a wrong one", ""},
	{"batching sinks of two inputs", 11, "a batch that had failed beside its task was lost", "forget the error of a batch that was written beside its task"},
}

// of returns the topology that a seed runs.
func of(seed uint64) int { return int(seed % uint64(len(topologies))) }

func byName(name string) int {
	for i := range topologies {
		if topologies[i].name == name {
			return i
		}
	}
	panic("no topology " + name)
}

// keptSimulation returns the simulation of a kept seed.
func keptSimulation(topology string) *sim.Simulation {
	for seed := range batched {
		if batched[seed].name == topology {
			s, _ := sinkSimulation(batched, uint64(seed))
			return s
		}
	}
	for _, g := range growing {
		if g.name == topology {
			return growingSimulation(g)
		}
	}
	return simulation(byName(topology))
}

// runSeeds runs simulations, which are made anew for each seed and returned with the name of the topology: for -seed, or for seeds that are the
// same every time and, as long as fresh says, for others, from -from on.
func runSeeds(t *testing.T, simulation func(seed uint64) (s *sim.Simulation, topology string), fixedSeeds uint64, fresh time.Duration) {
	t.Helper()
	run := func(seed uint64) {
		t.Helper()
		s, topology := simulation(seed)
		if *oneSeed != 0 && testing.Verbose() {
			s.Trace = func(line string) { t.Log(line) }
		}
		if err := s.Run(seed).Err(); err != nil {
			t.Fatalf("%s: %v\nrun it again: go test ./testkit/sim -run '%s' -v -seed %d", topology, err, t.Name(), seed)
		}
	}
	if *oneSeed != 0 {
		run(*oneSeed)
		return
	}
	for seed := range fixedSeeds {
		run(seed)
	}
	first := *from
	if first == 0 {
		first = rand.Uint64() >> 1
	}
	began, seed := time.Now(), first
	for ; time.Since(began) < fresh; seed++ {
		run(seed)
	}
	t.Logf("%d fixed seeds and %d fresh ones in %v", fixedSeeds, seed-first, time.Since(began).Round(time.Millisecond))
}

// A run of one seed: go test ./testkit/sim -run TestSeed -seed N -v
func TestSeed(t *testing.T) {
	if *oneSeed == 0 {
		t.Skip("no -seed")
	}
	number := of(*oneSeed)
	if *topology != "" {
		number = byName(*topology)
	}
	s := simulation(number)
	if *calm {
		s.Faults = 0
	}
	t.Logf("topology: %s", topologies[number].name)
	if testing.Verbose() {
		s.Trace = func(line string) { t.Log(line) }
	}
	r := s.Run(*oneSeed)
	t.Logf("%d steps, %d processes, %d killed, %d ended by errors", r.Steps, r.Processes, r.Crashes, r.Errors)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
}

// Whatever goes wrong, the output is that of the reference model: here for seeds that are the same every time.
func TestFixedSeeds(t *testing.T) {
	if *oneSeed != 0 {
		t.Skip("-seed")
	}
	began := time.Now()
	for seed := uint64(1); seed <= *fixed; seed++ {
		if err := simulation(of(seed)).Run(seed).Err(); err != nil {
			t.Fatalf("%v\nrun it again: go test ./testkit/sim -run TestSeed -v -seed %d", err, seed)
		}
	}
	t.Logf("seeds 1 to %d over %d topologies in %v", *fixed, len(topologies), time.Since(began).Round(time.Millisecond))
}

// Whatever goes wrong, the output is that of the reference model.
func TestFreshSeeds(t *testing.T) {
	first := *from
	if first == 0 {
		first = rand.Uint64() >> 1
	}
	if *oneSeed != 0 {
		t.Skip("-seed")
	}
	runs, steps, processes, crashes, errors := 0, 0, 0, 0, 0
	began := time.Now()
	for seed := first; time.Since(began) < *duration; seed++ {
		number := of(seed)
		if *topology != "" {
			number = byName(*topology)
		}
		r := simulation(number).Run(seed)
		if err := r.Err(); err != nil {
			t.Fatalf("%v\nrun it again: go test ./testkit/sim -run TestSeed -v -seed %d", err, seed)
		}
		runs++
		steps += r.Steps
		processes += r.Processes
		crashes += r.Crashes
		errors += r.Errors
	}
	t.Logf("seeds %d to %d: %d runs in %v (%.0f/s), %d steps, %d processes, of which %d were killed and %d ended by errors",
		first, first+uint64(runs)-1, runs, time.Since(began).Round(time.Millisecond), float64(runs)/time.Since(began).Seconds(),
		steps, processes, crashes, errors)
}

// Seeds that have found something find nothing any more.
func TestKeptSeeds(t *testing.T) {
	for _, k := range kept {
		if err := keptSimulation(k.topology).Run(k.seed).Err(); err != nil {
			t.Errorf("%s: %v (it once found: %s)", k.topology, err, k.found)
		}
	}
}

// Without faults everything is as the model has it.
func TestWithoutFaults(t *testing.T) {
	for i := range topologies {
		s := simulation(i)
		s.Faults = 0
		for seed := range (*fixed + 49) / 50 {
			if err := s.Run(seed).Err(); err != nil {
				t.Errorf("%s: %v", topologies[i].name, err)
			}
		}
	}
}

// Two runs of a seed take the same steps.
func TestASeedRepeatsItself(t *testing.T) {
	run := func(seed uint64) (trace []string, report *sim.Report) {
		s := simulation(of(seed))
		s.Trace = func(line string) { trace = append(trace, line) }
		report = s.Run(seed)
		return trace, report
	}
	for seed := range uint64(longtest.Cases(20, 60)) {
		a, first := run(seed)
		b, second := run(seed)
		if len(a) == 0 || first.Steps == 0 || first.Digest == 0 {
			t.Fatalf("seed %d: a trace of %d lines, %d steps, digest %x", seed, len(a), first.Steps, first.Digest)
		}
		i := 0
		for i < min(len(a), len(b)) && a[i] == b[i] {
			i++
		}
		switch at := func(trace []string) string { return append(trace, "(the end)")[i] }; {
		case i < max(len(a), len(b)):
			t.Errorf("seed %d, step %d, after\n\t%s\nonce\n\t%s\nand once\n\t%s", seed, i, a[max(0, i-1)], at(a), at(b))
		case first.Digest != second.Digest, first.Steps != second.Steps:
			t.Errorf("seed %d: the traces are equal, and once there were %d steps with digest %x, once %d with %x",
				seed, first.Steps, first.Digest, second.Steps, second.Digest)
		}
	}
}
