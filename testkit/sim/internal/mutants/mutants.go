// Package mutants reads the list of deliberate bugs.
//
// A bug begins with a line "bug: name". A line "model: same" says that the reference model has the bug too, so that only an
// independent model finds it. A line "input: grows" says that seeds of the topologies with growing input are run, and not those of the
// others, and lines "input: calls" and "input: sources" do the same for topologies with asynchronous
// calls, with sources outside of Kafka, with pauses ("input: pauses"), and with tables that are made of others ("input: tables"), and, "sinks: phases" and "sinks: batches", with sinks in two phases and with batching sinks. Each of its edits is a line "in: file", the text that is there, a line of "=>", the
// text that takes its place, and a line of "end". In that text MUTANT is true if the bug is switched on. Lines that begin
// with # between bugs are comments.
package mutants

import (
	"fmt"
	"os"
	"strings"
)

// Mutant is a bug.
type Mutant struct {
	Name    string
	InModel bool // the reference model has it too
	Grows   bool // it needs input that grows
	Calls   bool // it needs asynchronous calls
	Sources bool // it needs sources outside of Kafka
	Phases  bool // it needs sinks in two phases
	Batches bool // it needs batching sinks
	Pauses  bool // it needs pauses
	Derived bool // it needs tables that are made of others
	Edits   []Edit
}

// Edit is a place of a bug. Old is there once.
type Edit struct{ File, Old, New string }

// Read reads the list.
func Read(file string) ([]Mutant, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var bugs []Mutant
	var edit *Edit
	var text *string
	for i, line := range strings.Split(string(data), "\n") {
		switch {
		case line == "=>" && edit != nil:
			text = &edit.New
		case line == "end" && edit != nil:
			edit.Old, edit.New = strings.TrimSuffix(edit.Old, "\n"), strings.TrimSuffix(edit.New, "\n")
			last := &bugs[len(bugs)-1]
			last.Edits = append(last.Edits, *edit)
			edit = nil
		case edit != nil && (strings.HasPrefix(line, "bug: ") || strings.HasPrefix(line, "in: ")):
			return nil, fmt.Errorf("%s:%d: the edit of %s before this line has no end", file, i+1, edit.File)
		case edit != nil:
			*text += line + "\n"
		case strings.HasPrefix(line, "bug: "):
			bugs = append(bugs, Mutant{Name: strings.TrimPrefix(line, "bug: ")})
		case line == "model: same" && len(bugs) > 0:
			bugs[len(bugs)-1].InModel = true
		case line == "input: grows" && len(bugs) > 0:
			bugs[len(bugs)-1].Grows = true
		case line == "input: calls" && len(bugs) > 0:
			bugs[len(bugs)-1].Calls = true
		case line == "input: sources" && len(bugs) > 0:
			bugs[len(bugs)-1].Sources = true
		case line == "input: pauses" && len(bugs) > 0:
			bugs[len(bugs)-1].Pauses = true
		case line == "input: tables" && len(bugs) > 0:
			bugs[len(bugs)-1].Derived = true
		case line == "sinks: phases" && len(bugs) > 0:
			bugs[len(bugs)-1].Phases = true
		case line == "sinks: batches" && len(bugs) > 0:
			bugs[len(bugs)-1].Batches = true
		case strings.HasPrefix(line, "in: ") && len(bugs) > 0:
			edit = &Edit{File: strings.TrimPrefix(line, "in: ")}
			text = &edit.Old
		case line == "" || strings.HasPrefix(line, "#"):
		default:
			return nil, fmt.Errorf("%s:%d: not understood: %q", file, i+1, line)
		}
	}
	if edit != nil {
		return nil, fmt.Errorf("%s: the last edit of %s has no end", file, edit.File)
	}
	return bugs, nil
}
