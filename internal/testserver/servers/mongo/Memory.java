import de.bwaldvogel.mongo.MongoBackend;
import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import java.util.List;

/** A server with its data in memory: PORT. It says that it is MongoDB 7, because clients refuse the versions that it knows. */
public class Memory {
	public static void main(String[] args) throws Exception {
		MongoBackend backend = new MemoryBackend().version(new MongoVersion() {
			public List<Integer> getVersionArray() {
				return List.of(7, 0, 0);
			}

			public int getWireVersion() {
				return 21;
			}
		});
		new MongoServer(backend).bind("127.0.0.1", Integer.parseInt(args[0]));
		Thread.currentThread().join();
	}
}
