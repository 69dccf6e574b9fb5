package mqtt

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// CheckTopic returns an error if a text is no name of a topic (section 4.7): names have no wildcards.
func CheckTopic(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("a topic has no name")
	case len(name) > maxText:
		return fmt.Errorf("the topic %.100q... is longer than %d bytes", name, maxText)
	case !utf8.ValidString(name) || strings.ContainsRune(name, 0):
		return fmt.Errorf("the topic %q is no UTF-8, or has a zero byte", name)
	case strings.ContainsAny(name, "+#"):
		return fmt.Errorf("the topic %q has a wildcard (+ or #)", name)
	case strings.HasPrefix(name, "$"):
		return fmt.Errorf("the topic %q begins with $, which is for the broker", name)
	}
	return nil
}

// CheckFilter returns an error if a text is no filter of topics.
func CheckFilter(filter string) error {
	if filter == "" || len(filter) > maxText || !utf8.ValidString(filter) || strings.ContainsRune(filter, 0) {
		return fmt.Errorf("the topic filter %.100q is empty, too long, or no UTF-8", filter)
	}
	levels := strings.Split(filter, "/")
	for i, level := range levels {
		if level != "+" && strings.Contains(level, "+") || level != "#" && strings.Contains(level, "#") || level == "#" && i < len(levels)-1 {
			return fmt.Errorf("the topic filter %q: + stands for one whole level, and # for the last ones", filter)
		}
	}
	return nil
}
