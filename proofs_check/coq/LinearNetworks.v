(* Balancedness of linear networks, for all widths, depths, losses and data.

   Two adjacent layers A : q -> p and B : p -> r see the input h of A and the gradient e of the loss with respect to the
   output of B; both may depend on time in any way. They move by the gradient flow with weight decay lam:
       A' = - B^T e h^T - lam A,      B' = - e (A h)^T - lam B.
   Then D = B^T B - A A^T satisfies D t = e^(-2 lam (t - s)) D s on every interval of time, and is constant for lam = 0.

   A deep network W_(depth-1) ... W_0 X has such a pair at every hidden layer, with the gradients E that
   backpropagation gives: E_i = W_i^T E_(i+1), starting from any gradient E_depth of any loss. That backpropagation does
   give the gradient is a theorem too: along any curve of weights, <E_depth, (output)'> = sum_i <gradient_i, W_i'>. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp Require Import boolp classical_sets reals topology normedtype derive sequences exp.
From mathcomp Require Import ring.
From theorylab Require Import Calculus.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section Adjacent.
Variables (R : realType) (I : set R) (lam : R).
Variables (p q r n : nat).
Variables (A : R -> 'M[R]_(p, q)) (B : R -> 'M[R]_(r, p)) (h : R -> 'M[R]_(q, n)) (e : R -> 'M[R]_(r, n)).

Definition adjacent_flow :=
  mderives I A (fun t => - ((B t)^T *m e t *m (h t)^T) - lam *: A t) /\
  mderives I B (fun t => - (e t *m (A t *m h t)^T) - lam *: B t).

Definition imbalance t := (B t)^T *m B t - A t *m (A t)^T.

Lemma imbalance_derivative : adjacent_flow -> mderives I imbalance (fun t => (- (2 * lam)) *: imbalance t).
Proof.
move=> [flow_A flow_B].
apply: mderives_eq (mderivesB (mderivesM (mderivesT flow_B) flow_B) (mderivesM flow_A (mderivesT flow_A))) _ => t It.
rewrite /imbalance; move: (A t) (B t) (e t) (h t) => a b c x.
rewrite !(trmxD, trmxN, trmxZ, trmx_mul, trmxK) !(mulmxDl, mulmxDr, mulNmx, mulmxN) -!scalemxAl -!scalemxAr !mulmxA.

move: (a *m x *m c^T *m b) (b^T *m c *m x^T *m a^T) (b^T *m b) (a *m a^T) => y z bb aa.
apply/matrixP => i j; rewrite !mxE.
move: (y i j) (z i j) (aa i j) (bb i j) => c1 c2 c3 c4.
ring.
Qed.

Theorem balancedness_with_weight_decay : is_interval I -> adjacent_flow ->
  forall s t, I s -> I t -> imbalance t = expR (- (2 * lam) * (t - s)) *: imbalance s.
Proof. by move=> iI flow; apply: matrix_linear_law iI (imbalance_derivative flow). Qed.

End Adjacent.

Section Deep.
Variables (R : realType) (I : set R) (lam : R) (width : nat -> nat) (n depth : nat).
Variables (W : forall i, R -> 'M[R]_(width i.+1, width i)) (X : R -> 'M[R]_(width 0, n)).
Variables (E : forall i, R -> 'M[R]_(width i, n)).

(* The activations, from the data X up. *)
Fixpoint layer i t : 'M[R]_(width i, n) :=
  if i is j.+1 then W j t *m layer j t else X t.

(* E i is the gradient of the loss with respect to layer i; only its recursion matters, not the loss. *)
Definition backpropagated := forall i t, I t -> (i < depth)%N -> E i t = (W i t)^T *m E i.+1 t.

Definition gradient i t := E i.+1 t *m (layer i t)^T.

Definition gradient_flow := forall i, (i < depth)%N ->
  mderives I (W i) (fun t => - gradient i t - lam *: W i t).

Theorem deep_balancedness_with_weight_decay : is_interval I -> backpropagated -> gradient_flow ->
  forall i, (i.+1 < depth)%N -> forall s t, I s -> I t ->
    (W i.+1 t)^T *m W i.+1 t - W i t *m (W i t)^T =
    expR (- (2 * lam) * (t - s)) *: ((W i.+1 s)^T *m W i.+1 s - W i s *m (W i s)^T).
Proof.
move=> iI back flow i id.
apply: (@balancedness_with_weight_decay _ I lam _ _ _ _ (W i) (W i.+1) (layer i) (E i.+2) iI).
split; last exact: flow.
by apply: mderives_eq (flow i (ltnW id)) _ => t It; rewrite /gradient (back i.+1).
Qed.

(* Any curve of weights, with derivatives dW; dlayer is the derivative of the activations along it. *)
Variable dW : forall i, R -> 'M[R]_(width i.+1, width i).
Hypothesis curve : forall i, mderives I (W i) (dW i).

Fixpoint dlayer i t : 'M[R]_(width i, n) :=
  if i is j.+1 then dW j t *m layer j t + W j t *m dlayer j t else 0.

Lemma layer_derives (x : 'M[R]_(width 0, n)) : X = (fun=> x) -> forall i, mderives I (layer i) (dlayer i).
Proof.
move=> Xx; elim=> [|i IH]; last exact: mderivesM.
have -> : layer 0 = (fun=> x) by apply/funext => t /=; rewrite Xx.
exact: mderives_cst.
Qed.

Theorem backpropagation_is_the_gradient : backpropagated -> forall t, I t ->
  \tr ((E depth t)^T *m dlayer depth t) = \sum_(i < depth) \tr ((gradient i t)^T *m dW i t).
Proof.
move=> back t It.
suff main i : (i <= depth)%N -> \tr ((E i t)^T *m dlayer i t) = \sum_(j < i) \tr ((gradient j t)^T *m dW j t).
  exact: main.
elim: i => [|i IH] id; first by rewrite big_ord0 /= mulmx0 mxtrace0.
rewrite big_ord_recr /= -IH; last exact: ltnW.
rewrite mulmxDr mxtraceD addrC; congr (_ + _).
- by rewrite (back i) // trmx_mul trmxK mulmxA.
- by rewrite /gradient trmx_mul trmxK -mulmxA [RHS]mxtrace_mulC mulmxA.
Qed.
End Deep.

Corollary deep_balancedness (R : realType) (I : set R) (width : nat -> nat) (n depth : nat)
  (W : forall i, R -> 'M[R]_(width i.+1, width i)) (X : R -> 'M[R]_(width 0%N, n))
  (E : forall i, R -> 'M[R]_(width i, n)) :
  is_interval I -> backpropagated I depth W E -> gradient_flow I 0 depth W X E ->
  forall i, (i.+1 < depth)%N -> forall s t, I s -> I t ->
    (W i.+1 t)^T *m W i.+1 t - W i t *m (W i t)^T = (W i.+1 s)^T *m W i.+1 s - W i s *m (W i s)^T.
Proof.
move=> iI back flow i id s t Is It.
rewrite (deep_balancedness_with_weight_decay iI back flow id Is It).
by rewrite mulr0 oppr0 mul0r expR0 scale1r.
Qed.

Print Assumptions balancedness_with_weight_decay.
Print Assumptions deep_balancedness_with_weight_decay.
Print Assumptions backpropagation_is_the_gradient.
Print Assumptions deep_balancedness.
