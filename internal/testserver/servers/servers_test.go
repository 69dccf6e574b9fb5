//go:build unix

package servers

import (
	"encoding/base64"
	"strings"
	"testing"
)

func TestAClusterIDIsNoOption(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		id, err := clusterID()
		if err != nil {
			t.Fatal(err)
		}
		if bytes, err := base64.RawURLEncoding.DecodeString(id); err != nil || len(bytes) != 16 {
			t.Fatalf("%s has %d bytes, %v", id, len(bytes), err)
		}
		if strings.HasPrefix(id, "-") || seen[id] {
			t.Fatalf("%s begins with a dash, or is there twice", id)
		}
		seen[id] = true
	}
}
