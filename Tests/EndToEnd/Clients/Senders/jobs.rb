# What the senders written in Ruby share: the jobs they are given, as `jobs.py` has them, and how they say what became of each.
$stdout.sync = true

# Calls the block with each job's values, one job after the other.
def each_job
  STDIN.each_line(chomp: true) do |line|
    job = line.split("\t")
    begin
      yield(*job)
      puts "#{job[0]}\tok"
    rescue StandardError => error
      puts "#{job[0]}\tfailed\t#{error.class}: #{error.message.gsub(/[\r\n\t]+/, ' ')}"
    end
  end
end
