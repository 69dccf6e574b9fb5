package used

import "testing"

func TestTopology(t *testing.T) {
	if err := Topology().Validate(); err != nil {
		t.Fatal(err)
	}
}
