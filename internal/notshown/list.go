// Package notshown reads and writes lists of exported names that no page, example or program shows. A line is a name, or a reason for the names
// right below it ("# ...").
package notshown

import (
	"slices"
	"strings"
)

// Parse returns the names of a list, and those without a reason above them.
func Parse(text []byte) (known, unexplained []string) {
	reason := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "#"):
			reason = line
		case line == "":
			reason = "" // it holds for the names right below it
		default:
			known = append(known, line)
			if len(reason) < 30 {
				unexplained = append(unexplained, line)
			}
		}
	}
	return known, unexplained
}

// Update returns a list without the names that are shown by now, and with the new ones at its end.
func Update(text []byte, missing []string) []byte {
	var lines []string
	left := slices.Clone(missing)
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		i := slices.Index(left, line)
		switch {
		case i >= 0:
			left = slices.Delete(left, i, i+1)
		case line != "" && !strings.HasPrefix(line, "#"):
			continue
		}
		lines = append(lines, line)
	}
	if len(left) > 0 {
		lines = append(append(lines, ""), left...)
	}
	return []byte(strings.Join(lines, "\n") + "\n")
}
