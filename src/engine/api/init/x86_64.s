// The first program of a container (see ../init.rs), for Linux on x86-64.
// r12: environment, r13: candidates, r14: the program's arguments, [rsp..rsp+296]: the record.
    mov rbp, rsp
    lea r12, [rbp + 24]             // after argc, argv[0] and the token
    mov rdi, r12
2:  mov rax, [rdi]                  // the first empty string ends the environment
    add rdi, 8
    cmp byte ptr [rax], 0
    jne 2b
    mov qword ptr [rdi - 8], 0
    mov r13, rdi
3:  mov rax, [rdi]                  // the second one ends the candidates
    add rdi, 8
    cmp byte ptr [rax], 0
    jne 3b
    mov qword ptr [rdi - 8], 0
    mov r14, rdi

    mov rcx, [r12]                  // `HOME=` without a value: take the one that the engine found
    cmp byte ptr [rcx + 5], 0
    jne 5f
    mov rax, [rbp]
    lea rbx, [rbp + rax * 8 + 16]
4:  mov rax, [rbx]
    test rax, rax
    jz 5f
    add rbx, 8
    cmp dword ptr [rax], 0x454d4f48 // "HOME"
    jne 4b
    cmp byte ptr [rax + 4], 0x3d    // "="
    jne 4b
    mov [r12], rax

5:  sub rsp, 320                    // record: the token, the wait status, the error number, the memory events
    mov rdi, rsp
    xor eax, eax
    mov ecx, 40
    cld
    rep stosq
    mov rsi, [rbp + 16]
    mov rdi, rsp
    mov ecx, 4
    rep movsq
    mov eax, 16                     // ioctl(0, TCGETS, …): a terminal is the program's own
    xor edi, edi
    mov esi, 0x5401
    lea rdx, [rsp - 128]
    syscall
    test eax, eax
    jz 15f
14: lea rsi, [rsp + 40]             // read(0, …, 1): a byte comes when Drydock reads the output, the end when it is gone
    xor edi, edi
    mov edx, 1
    xor eax, eax
    syscall
    cmp rax, -4                     // EINTR
    je 14b
    mov byte ptr [rsp + 40], 0
    mov dword ptr [rsp + 32], 0x7d00
    cmp rax, 1
    jne 8f
    mov dword ptr [rsp + 32], 0
    lea rdi, [rip + 32f]            // the program reads from /dev/null
    xor esi, esi
    mov eax, 2
    syscall
    mov ebx, eax
    mov edi, eax
    xor esi, esi
    mov eax, 33                     // dup2
    syscall
    mov edi, ebx
    mov eax, 3
    syscall
15: mov eax, 58                     // vfork
    syscall
    test eax, eax
    jz 20f
    js 9f
    mov r15d, eax
6:  mov edi, -1                     // wait4(-1, &status, 0, NULL) until it is the program: orphans are reaped
    lea rsi, [rsp + 32]
    xor edx, edx
    xor r10d, r10d
    mov eax, 61
    syscall
    cmp eax, r15d
    jne 6b
    jmp 7f
9:  neg eax
    mov [rsp + 36], eax
    mov dword ptr [rsp + 32], 0x7f00

7:  lea rdi, [rip + 30f]            // open and read what the kernel counted, by cgroup v2, else v1
    xor esi, esi
    mov eax, 2
    syscall
    test eax, eax
    jns 12f
    lea rdi, [rip + 31f]
    xor esi, esi
    mov eax, 2
    syscall
    test eax, eax
    js 13f
12: mov edi, eax
    lea rsi, [rsp + 40]
    mov edx, 256
    xor eax, eax
    syscall

13: mov edi, 2                      // write(2, record, 296): all at once, being less than PIPE_BUF
    mov rsi, rsp
    mov edx, 296
    mov eax, 1
    syscall
    cmp rax, -11                    // EAGAIN: the program made the pipe non-blocking
    jne 8f
    mov dword ptr [rsp + 296], 2    // poll(2 for POLLOUT, 1, -1)
    mov dword ptr [rsp + 300], 4
    lea rdi, [rsp + 296]
    mov esi, 1
    mov edx, -1
    mov eax, 7
    syscall
    jmp 13b

8:  mov edi, [rsp + 32]             // exit_group(code, or 128 + signal)
    mov eax, edi
    and eax, 0x7f
    jz 10f
    lea edi, [rax + 128]
    jmp 11f
10: shr edi, 8
    and edi, 0xff
11: mov eax, 231
    syscall

20: mov rbx, r13                    // the child: execve of each candidate
    mov r8d, 2                      // ENOENT when there is none
21: mov rdi, [rbx]
    test rdi, rdi
    jz 22f
    mov rsi, r14
    mov rdx, r12
    mov eax, 59
    syscall
    neg eax
    mov r8d, eax
    add rbx, 8
    cmp eax, 2                      // ENOENT, EACCES, ENOTDIR: try the next one
    je 21b
    cmp eax, 13
    je 21b
    cmp eax, 20
    je 21b
22: mov [rsp + 36], r8d             // the memory is the parent's
    mov edi, 127
    mov eax, 231
    syscall

30: .asciz "/sys/fs/cgroup/memory.events"
31: .asciz "/sys/fs/cgroup/memory/memory.oom_control"
32: .asciz "/dev/null"
