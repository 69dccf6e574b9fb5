package assignor

import "math"

// network is a flow network. Successive shortest paths find its flow of least cost. Costs may be negative as long
// as there is no cycle of them. It is deterministic: edges are tried in the order of their addition.
type network struct {
	edges []edge    // an edge and its reverse are neighbours: 2i and 2i+1
	from  [][]int32 // edges by their origin
}

type edge struct {
	to       int32
	capacity int
	cost     int64
}

func newNetwork(nodes int) *network { return &network{from: make([][]int32, nodes)} }

// add adds an edge and returns its number.
func (n *network) add(from, to, capacity int, cost int64) int {
	i := len(n.edges)
	n.edges = append(n.edges, edge{int32(to), capacity, cost}, edge{int32(from), 0, -cost})
	n.from[from] = append(n.from[from], int32(i))
	n.from[to] = append(n.from[to], int32(i+1))
	return i
}

// used returns the flow through an edge.
func (n *network) used(i int) int { return n.edges[i^1].capacity }

// run sends as much as it can from source to sink by paths that cost less than below.
func (n *network) run(source, sink int, below int64) {
	distance := make([]int64, len(n.from))
	via := make([]int32, len(n.from))
	queued := make([]bool, len(n.from))
	for {
		for i := range distance {
			distance[i] = math.MaxInt64
		}
		distance[source] = 0
		queue := []int{source}
		for len(queue) > 0 {
			node := queue[0]
			queue = queue[1:]
			queued[node] = false
			for _, i := range n.from[node] {
				e := n.edges[i]
				if d := distance[node] + e.cost; e.capacity > 0 && d < distance[e.to] {
					distance[e.to], via[e.to] = d, i
					if !queued[e.to] {
						queued[e.to] = true
						queue = append(queue, int(e.to))
					}
				}
			}
		}
		if distance[sink] >= below {
			return
		}
		for node := sink; node != source; {
			i := via[node]
			n.edges[i].capacity--
			n.edges[i^1].capacity++
			node = int(n.edges[i^1].to)
		}
	}
}
