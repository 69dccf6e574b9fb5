package filesource

import (
	"path"
	"slices"
	"strings"
)

// Matches reports whether a file with that name below the folder fits a pattern, as Options.Pattern is one, and has no hidden part.
func Matches(pattern, name string) bool {
	parts := strings.Split(name, "/")
	return !slices.ContainsFunc(parts, Hidden) && (pattern == "" || match(strings.Split(pattern, "/"), parts))
}

// Hidden reports whether files and folders of that name are never read.
func Hidden(part string) bool { return strings.HasPrefix(part, ".") || strings.HasPrefix(part, "_") }

func match(pattern, name []string) bool {
	for len(pattern) > 0 {
		if pattern[0] == "**" {
			for i := range len(name) + 1 {
				if match(pattern[1:], name[i:]) {
					return true
				}
			}
			return false
		}
		if len(name) == 0 {
			return false
		}
		if ok, err := path.Match(pattern[0], name[0]); err != nil || !ok {
			return false
		}
		pattern, name = pattern[1:], name[1:]
	}
	return len(name) == 0
}
