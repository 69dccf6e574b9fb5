//go:build weirmutate

package sim_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weirstreams/weir/internal/mutation"
	"github.com/weirstreams/weir/testkit/sim"
	"github.com/weirstreams/weir/testkit/sim/internal/mutants"
)

var (
	mutant   = flag.String("mutant", "", "the only bug to look for")
	maxSeeds = flag.Int("max-seeds", 3000, "how many seeds to try for each bug")
	table    = flag.String("table", "", "a file to write the table to")
)

// runWith runs a seed with a bug. The reference model has it only if the list says so.
func runWith(bug mutants.Mutant, s *sim.Simulation, seed uint64) *sim.Report {
	sim.SetModelling(func(begins bool) {
		if mutation.On = bug.Name; begins && !bug.InModel {
			mutation.On = ""
		}
	})
	defer func() {
		sim.SetModelling(func(bool) {})
		mutation.On = ""
	}()
	mutation.On = bug.Name
	return s.Run(seed)
}

// Kept seeds still find what they found once.
func TestKeptSeedsFindTheirBugs(t *testing.T) {
	bugs, err := mutants.Read("testdata/mutants.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range kept {
		if k.bug == "" {
			continue
		}
		i := slices.IndexFunc(bugs, func(bug mutants.Mutant) bool { return bug.Name == k.bug })
		if i < 0 {
			t.Errorf("%s, seed %d: there is no bug %q", k.topology, k.seed, k.bug)
		} else if runWith(bugs[i], keptSimulation(k.topology), k.seed).Err() == nil {
			t.Errorf("%s, seed %d: nothing is wrong with the bug %q", k.topology, k.seed, k.bug)
		}
	}
}

// seek runs one seed with a bug, in one of the worlds that the bug needs, and returns the first finding.
func seek(bug mutants.Mutant, seed uint64) string {
	s := simulation(of(seed))
	if bug.Grows {
		s = growingSimulation(growing[seed%uint64(len(growing))])
	}
	if bug.Calls {
		s = callingSimulation(calling[seed%uint64(len(calling))])
	}
	if bug.Sources {
		s = sourcedSimulation(sourcedTopologies[seed%uint64(len(sourcedTopologies))])
	}
	if bug.Pauses {
		s = pausingSimulation(of(seed))
	}
	if bug.Derived {
		s, _ = derivedSimulation(seed)
	}
	if bug.Phases {
		s, _ = sinkSimulation(phased, seed)
	}
	if bug.Batches {
		s, _ = sinkSimulation(batched, seed)
	}
	if r := runWith(bug, s, seed); len(r.Problems) > 0 {
		return r.Problems[0]
	}
	return ""
}

var foundLine = regexp.MustCompile(`(?m)^\| (.*) \| (\d+) \| .* \|$`)

// foundSeeds returns the seed that has found each bug of the table in docs/simulation.md.
func foundSeeds(t *testing.T) map[string]int {
	page, err := os.ReadFile("../../docs/simulation.md")
	if err != nil {
		t.Fatal(err)
	}
	seeds := map[string]int{}
	for _, line := range foundLine.FindAllStringSubmatch(string(page), -1) {
		if seeds[line[1]], err = strconv.Atoi(line[2]); err != nil {
			t.Fatal(err)
		}
	}
	return seeds
}

// Every bug of testdata/mutants.txt is found, by a kept seed, by the seed that found it for the table of docs/simulation.md, or by one
// of the first seeds. See testkit/sim/mutate for how to run this.
func TestMutantsAreFound(t *testing.T) {
	bugs, err := mutants.Read("testdata/mutants.txt")
	if err != nil {
		t.Fatal(err)
	}
	found := foundSeeds(t)
	lines := []string{"| bug | seeds | first finding |", "|---|---|---|"}
	for _, bug := range bugs {
		if *mutant != "" && bug.Name != *mutant {
			continue
		}
		seeds, finding := 0, ""
		for _, k := range kept { // for what only few seeds find
			if k.bug == bug.Name && finding == "" {
				if r := runWith(bug, keptSimulation(k.topology), k.seed); len(r.Problems) > 0 {
					seeds, finding = 1, r.Problems[0]
				}
			}
		}
		if seed := found[bug.Name]; finding == "" && seed > 0 {
			seeds, finding = seed, seek(bug, uint64(seed))
		}
		if finding == "" {
			seeds = 0
		}
		for finding == "" && seeds < *maxSeeds {
			seeds++
			finding = seek(bug, uint64(seeds))
		}
		if finding == "" {
			t.Errorf("%q was not found in %d seeds", bug.Name, seeds)
			continue
		}
		line := fmt.Sprintf("| %s | %d | %s |", bug.Name, seeds, short(finding))
		t.Log(line)
		lines = append(lines, line)
	}
	if *table != "" {
		if err := os.WriteFile(*table, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// short says by what a bug was found.
func short(problem string) string {
	for _, kind := range []struct{ text, name string }{
		{"panic:", "panic"},
		{"a paused task has processed", "a paused task goes on"},
		{"has promised", "a record is older than the time that was promised"},
		{"check when the clock goes on: the results", "output differs"},
		{"was processed and", "output differs"},
		{"was not processed, and not lost", "output differs"},
		{"independent model", "independent model differs"},
		{"of split-", "records of a source differ"},
		{"records were counted", "records of a source differ"},
		{"is acknowledged, and", "records of a source differ"},
		{"the count of", "state without a changelog differs"},
		{"although the disk was kept", "state without a changelog differs"},
		{"although its input has grown", "input that has grown is not refused"},
		{"runs a task of", "input that has grown is not refused"},
		{"not at rest", "input is not processed"},
		{"no fault explains it", "unexplained error"},
		{"opens the database", "database ahead of the offsets"},
		{"although its database was complete", "needless restore"},
		{"changelog ", "changelog differs"},
		{"state ", "state differs"},
		{"output: ", "output differs"},
		{"has the rows", "global table differs"},
		{"reference model", "commits do not cover the input"},
		{"logged:", "error in the log"},
	} {
		if strings.Contains(problem, kind.text) {
			return kind.name
		}
	}
	return strings.ReplaceAll(problem, "|", "/")
}
