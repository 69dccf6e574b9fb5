package connector

import (
	"errors"
	"net/url"
	"slices"
	"strings"
)

// Hosts returns the hosts of URLs of NATS that are separated by commas, without their secrets, and an error without secrets if one of them is malformed.
func Hosts(urls string) (string, error) {
	schemes := []string{"nats", "tls", "ws", "wss"}
	var all []string
	for text := range strings.SplitSeq(urls, ",") {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		u, err := url.Parse(text)
		switch {
		case err != nil || u.Host == "":
			return "(a malformed URL)", errors.New("URL is malformed: it is something like nats://user:password@host:4222, with %40 for an @ of the password")
		case !slices.Contains(schemes, u.Scheme):
			return u.Host, errors.New("URL begins with neither nats:// nor tls://")
		}
		all = append(all, u.Host)
	}
	return strings.Join(all, ","), nil
}
