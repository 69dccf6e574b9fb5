//go:build weirmutate

package sim_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/weirstreams/weir/internal/mutation"
	"github.com/weirstreams/weir/testkit/sim"
	"github.com/weirstreams/weir/testkit/sim/mutate/mutants"
)

var (
	mutant   = flag.String("mutant", "", "the only bug to look for")
	maxSeeds = flag.Int("max-seeds", 3000, "how many seeds to try for each bug")
	table    = flag.String("table", "", "a file to write the table to")
)

// Every bug of testdata/mutants.txt is found. See testkit/sim/mutate for how to run this.
func TestMutantsAreFound(t *testing.T) {
	bugs, err := mutants.Read("testdata/mutants.txt")
	if err != nil {
		t.Fatal(err)
	}
	on := ""
	sim.SetModelling(func(begins bool) {
		if mutation.On = on; begins {
			mutation.On = ""
		}
	})
	defer func() { mutation.On = "" }()
	lines := []string{"| bug | seeds | what was found first |", "|---|---|---|"}
	for _, bug := range bugs {
		if *mutant != "" && bug.Name != *mutant {
			continue
		}
		on = bug.Name
		seeds, finding := 0, ""
		for seed := uint64(1); finding == "" && seeds < *maxSeeds; seed++ {
			mutation.On = bug.Name
			seeds++
			if r := simulation(of(seed)).Run(seed); len(r.Problems) > 0 {
				finding = r.Problems[0]
			}
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
