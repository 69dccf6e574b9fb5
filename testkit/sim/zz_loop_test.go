package sim_test
import ("testing";"os";"strconv";"time";"strings")
func TestZZLoop(t *testing.T) {
	name := os.Getenv("TOPO"); n,_ := strconv.Atoi(os.Getenv("N")); f,_ := strconv.Atoi(os.Getenv("FROM"))
	if name=="" { t.Skip() }
	began := time.Now(); bad := 0
	for _, nm := range strings.Split(name, ";") {
	for seed := uint64(f); seed < uint64(f+n); seed++ {
		s := simulation(byName(nm))
		if os.Getenv("CALM") != "" { s.Faults = 0 }
		if err := s.Run(seed).Err(); err != nil { bad++; e := err.Error(); if len(e)>1500 {e=e[:1500]}; t.Errorf("%s: %s", nm, e); if bad>=5 {return} }
	}}
	t.Log(time.Since(began))
}
